/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap nvme`: declarations shared by its actions. */
#ifndef CLI_NVME_H
#define CLI_NVME_H

#include "cli.h"

#include "drivers/message.h"
#include "drivers/nvme.h"

struct nvme_args {
	struct cli_common common;
	const char *action;
	u64 offset, length; /* bytes */
	bool has_offset, has_length;
	const char *file;
	u64 bs;		   /* bytes of one request; 0: the default of the action */
	unsigned int qd;   /* requests in flight */
	unsigned int mask; /* address bits that the driver claims */
	unsigned int threads;
	double seconds;
	enum nvme_data data; /* how data of requests is mapped */
};

/* One command on one open controller, and its results. */
struct nvme_session {
	const struct nvme_args *args;
	struct device *dev;
	struct nvme *nvme;
	const struct nvme_info *info;
	u64 bytes;  /* completed bytes, in order from the start */
	u64 ops;    /* completed requests */
	u64 linked; /* requests whose data was linked, including the driver's own */
	double seconds;
	bool stopped;	 /* a signal stopped it */
	char error[640]; /* "": no error */
	struct {
		double mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
	} latency; /* bench only */
};

/* Stores the first error message; returns false. */
#define session_fail(s, ...) error_keep((s)->error, sizeof((s)->error), __VA_ARGS__)

/* nvme_copy.c: each sets bytes, seconds, stopped and error. */
void nvme_copy_read(struct nvme_session *s);
void nvme_copy_write(struct nvme_session *s);
void nvme_copy_verify(struct nvme_session *s);

/* nvme_bench.c */
void nvme_bench(struct nvme_session *s);

#endif
