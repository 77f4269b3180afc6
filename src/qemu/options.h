/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a qemu: spec, and the command line that they make. */
#ifndef QEMU_OPTIONS_H
#define QEMU_OPTIONS_H

#include "qemu/qemu.h"

#define DEVICE_SLOT 0x10 /* where we put the device: 00:10.0 */

/* The child's descriptors. */
enum { FD_QTEST = 3, FD_QMP, FD_RAM, FD_FIRMWARE, FD_NET };

struct options {
	const char *device, *qemu, *image, *image_format, *pcap_in, *pcap_out, *wire;
	bool iommu, intx, registers, caching_mode;
	unsigned int aw_bits;
	const struct hw_config *config;
};

/* The device has a network whose other end is ours. */
bool options_net(const struct options *o);

/* 0; -EINVAL and a sentence that names the key. */
int options_read(struct options *o, const struct hw_config *config);

struct words {
	char **word; /* NULL-terminated */
	int n, room;
};

/* The command line, of QEMU at `path`. 0, -ENOMEM. words_free() in any case. */
int options_command(const struct options *o, const char *path, struct words *w);
void words_free(struct words *w);

/* The program's path, in memory of the caller's; NULL and a sentence. */
char *options_find_qemu(const struct options *o);

#endif
