/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The version message of vfio-user: numbers, and JSON text with capabilities. The parser accepts
 * any JSON text of bounded length and depth, and stores the capabilities that the protocol defines.
 */
#ifndef VFUSER_VERSION_H
#define VFUSER_VERSION_H

#include "vfuser/proto.h"

#define VFUSER_VERSION_MAX 4096u /* payload bytes of a version message */

struct vfuser_version {
	u16 major, minor;
	/* of the sender of the message; the defaults if it states none */
	u64 max_msg_fds;	/* descriptors that it receives in one message */
	u64 max_data_xfer_size; /* bytes of data that it receives in one message; not 0 */
	u64 max_dma_maps;
	u64 pgsizes; /* page sizes of DMA mappings, as bits; not 0 */
	bool write_multiple;
	bool twin_socket;
	bool twin_has_fd;
	u64 twin_fd; /* with twin_has_fd: which of the message's descriptors is the second socket */
};

/*
 * Parses the payload of a version message. Returns 0; -EPROTO with an error message: it is too
 * short, is not JSON, or has a capability whose value is 0 or of the wrong type. A retry does not
 * help. On failure `*out` is unchanged.
 */
int vfuser_version_parse(const void *payload, u32 size, struct vfuser_version *out);

/*
 * Writes the payload of a version message. Returns its size, which is at most
 * VFUSER_VERSION_MAX.
 */
u32 vfuser_version_format(u8 payload[VFUSER_VERSION_MAX], const struct vfuser_version *v);

/* Sets the values that apply to a peer that states none. */
void vfuser_version_defaults(struct vfuser_version *v);

#endif
