/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of libxdp 1.6 that take their arguments in a structure with its size. The
 * structures are declared here, because older headers lack them; their layout is libxdp's. A field
 * that the caller's structure does not have counts as 0, that is, as not set.
 */
#include "lib.h"

#include <errno.h>
#include <string.h>

#define API DMAMAP_API

struct xsk_opts_umem {
	size_t sz;
	int fd;
	__u64 size;
	__u32 fill_size, comp_size;
	__u32 frame_size, frame_headroom;
	__u32 flags;
	__u32 tx_metadata_len;
};

struct xsk_opts_socket {
	size_t sz;
	struct xsk_ring_cons *rx;
	struct xsk_ring_prod *tx;
	struct xsk_ring_prod *fill;
	struct xsk_ring_cons *comp;
	__u32 rx_size, tx_size;
	__u32 libxdp_flags;
	__u32 xdp_flags;
	__u16 bind_flags;
};

API struct xsk_umem *
xsk_opts_umem_create(void *umem_area, struct xsk_ring_prod *fill, struct xsk_ring_cons *comp,
		     const struct xsk_opts_umem *opts) __asm__("xsk_umem__create_opts");
API struct xsk_socket *
xsk_opts_socket_create(const char *ifname, __u32 queue_id, struct xsk_umem *umem,
		       const struct xsk_opts_socket *opts) __asm__("xsk_socket__create_opts");

/*
 * Copies the fields that the caller has. Returns false if the caller has set a field that is
 * unknown here.
 */
static bool xsk_opts_read(void *to, size_t known, const void *from)
{
	size_t size;

	memset(to, 0, known);
	if (!from)
		return true;
	memcpy(&size, from, sizeof(size));
	for (size_t i = known; i < size; i++)
		if (((const char *)from)[i])
			return false;
	memcpy(to, from, size < known ? size : known);
	return size >= sizeof(size);
}

static __u32 xsk_opts_or(__u32 value, __u32 otherwise)
{
	return value ? value : otherwise;
}

struct xsk_umem *xsk_opts_umem_create(void *umem_area, struct xsk_ring_prod *fill,
				      struct xsk_ring_cons *comp, const struct xsk_opts_umem *opts)
{
	struct xsk_umem_config config;
	struct xsk_umem *umem = NULL;
	struct xsk_opts_umem o;
	int err;

	if (!xsk_opts_read(&o, sizeof(o), opts)) {
		errno = EINVAL;
		return NULL;
	}
	config = (struct xsk_umem_config){
		.fill_size = xsk_opts_or(o.fill_size, XSK_RING_PROD__DEFAULT_NUM_DESCS),
		.comp_size = xsk_opts_or(o.comp_size, XSK_RING_CONS__DEFAULT_NUM_DESCS),
		.frame_size = xsk_opts_or(o.frame_size, XSK_UMEM__DEFAULT_FRAME_SIZE),
		.frame_headroom = o.frame_headroom,
		.flags = o.flags,
	};
	err = xsk_lib_umem_create(&umem, o.fd > 0 ? o.fd : -1, umem_area, o.size, fill, comp,
				  &config, o.tx_metadata_len);
	if (err)
		errno = -err;
	return err ? NULL : umem;
}

struct xsk_socket *xsk_opts_socket_create(const char *ifname, __u32 queue_id, struct xsk_umem *umem,
					  const struct xsk_opts_socket *opts)
{
	struct xsk_socket_config config;
	struct xsk_socket *xsk = NULL;
	struct xsk_opts_socket o;
	int err;

	if (!xsk_opts_read(&o, sizeof(o), opts) || !o.fill != !o.comp) {
		errno = EINVAL;
		return NULL;
	}
	config = (struct xsk_socket_config){
		.rx_size = xsk_opts_or(o.rx_size, XSK_RING_CONS__DEFAULT_NUM_DESCS),
		.tx_size = xsk_opts_or(o.tx_size, XSK_RING_PROD__DEFAULT_NUM_DESCS),
		.libxdp_flags = o.libxdp_flags,
		.xdp_flags = o.xdp_flags,
		.bind_flags = o.bind_flags,
	};
	err = o.fill ? xsk_socket__create_shared(&xsk, ifname, queue_id, umem, o.rx, o.tx, o.fill,
						 o.comp, &config)
		     : xsk_socket__create(&xsk, ifname, queue_id, umem, o.rx, o.tx, &config);
	if (err)
		errno = -err;
	return err ? NULL : xsk;
}
