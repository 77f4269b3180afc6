/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef XSK_LIB_H
#define XSK_LIB_H

#include <net/xdp_sock.h>
#include <xdp/xsk.h>

/* xsk_umem__create_with_fd(), with the length of the metadata before a packet to transmit. */
int xsk_lib_umem_create(struct xsk_umem **umem_ptr, int fd, void *umem_area, __u64 size,
			struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
			const struct xsk_umem_config *config, u32 metadata_len);

#endif
