/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a qemu: spec, and the command line that they produce. */
#ifndef QEMU_OPTIONS_H
#define QEMU_OPTIONS_H

#include "qemu/qemu.h"

#define DEVICE_SLOT 0x10 /* where the device is placed: 00:10.0 */

/* The child's descriptors. */
enum { FD_QTEST = 3, FD_QMP, FD_RAM, FD_FIRMWARE, FD_NET };

struct qemu_options {
	const char *device, *qemu, *image, *image_format, *pcap_in, *pcap_out, *wire;
	bool iommu, intx, registers, caching_mode;
	unsigned int aw_bits;
	const struct hw_config *config;
};

/* Whether the device has a network whose other end is in this process. */
bool options_net(const struct qemu_options *o);

/* 0, or -EINVAL with an error message that names the key. */
int options_read(struct qemu_options *o, const struct hw_config *config);

struct options_words {
	char **word; /* NULL-terminated */
	int n, capacity;
};

/*
 * Builds the command line of QEMU at `path`. 0 or -ENOMEM. The caller must call words_free() in
 * both cases.
 */
int options_command(const struct qemu_options *o, const char *path, struct options_words *w);
void words_free(struct options_words *w);

/* Returns the path of QEMU in memory that the caller frees; NULL with an error message. */
char *options_find_qemu(const struct qemu_options *o);

#endif
