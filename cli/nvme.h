/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap nvme`: what its actions share. */
#ifndef CLI_NVME_H
#define CLI_NVME_H

#include "cli.h"

#include "drivers/message.h"
#include "drivers/nvme.h"

struct nvme_args {
	struct common common;
	const char *action;
	u64 offset, length; /* bytes */
	bool has_offset, has_length;
	const char *file;
	u64 bs;		   /* bytes of one request; 0: the action's own */
	unsigned int qd;   /* requests in flight */
	unsigned int mask; /* address bits that the driver claims */
	unsigned int threads;
	double seconds;
	enum nvme_data data; /* how requests' data is mapped */
};

/* One command on one open controller, and what it did. */
struct nvme_session {
	const struct nvme_args *args;
	struct device *dev;
	struct nvme *nvme;
	const struct nvme_info *info;
	u64 bytes;  /* done, in order from the start */
	u64 ops;    /* requests done */
	u64 linked; /* of them, and of what else was sent, those whose data was linked */
	double seconds;
	bool stopped;	 /* by a signal */
	char error[640]; /* "" while all is well */
	struct {
		double mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
	} latency; /* bench only */
};

/* Remembers the first thing that went wrong; false. */
bool session_fail(struct nvme_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* nvme_copy.c: each fills bytes, seconds, stopped and error. */
void nvme_copy_read(struct nvme_session *s);
void nvme_copy_write(struct nvme_session *s);
void nvme_copy_verify(struct nvme_session *s);

/* nvme_bench.c */
void nvme_bench(struct nvme_session *s);

#endif
