/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UMEMs: memory of the application, divided into chunks. Only its address and layout are stored;
 * its content is not accessed here. All sizes are 64-bit until they are checked to fit 32 bits, so
 * neither the number of chunks nor an index times the chunk size can overflow.
 */
#include "base/alloc.h"
#include "xsk/access.h"
#include "xsk/xsk.h"

#include <string.h>

#define FLAGS_KNOWN (XDP_UMEM_UNALIGNED_CHUNK_FLAG | XDP_UMEM_TX_SW_CSUM | XDP_UMEM_TX_METADATA_LEN)

/* A copy of a registration; tx_metadata_len is 0 if not given. */
struct umem_request {
	u64 addr, len;
	u32 chunk_size, headroom, flags, tx_metadata_len;
};

_Static_assert(sizeof(struct umem_request) == 32 && sizeof(struct xdp_umem_reg) >= 32,
	       "the last word of the system's structure, or its padding, is tx_metadata_len");

static int umem_refuse(const char *why)
{
	return error_set(EINVAL, "cannot register a UMEM: %s", why);
}

static int umem_check_shape(const struct umem_request *r)
{
	bool unaligned = r->flags & XDP_UMEM_UNALIGNED_CHUNK_FLAG;

	if (r->chunk_size < XDP_UMEM_MIN_CHUNK_SIZE || r->chunk_size > PAGE_BYTES)
		return umem_refuse("the chunk size must be from 2048 to 4096");
	if (r->flags & ~(u32)FLAGS_KNOWN)
		return umem_refuse("unknown flags");
	if (!unaligned && !is_pow2(r->chunk_size))
		return umem_refuse("the chunk size must be a power of two, or chunks unaligned");
	if (r->headroom > r->chunk_size - XDP_PACKET_HEADROOM - XSK_TAILROOM - XSK_FRAME_ALIGN)
		return umem_refuse(
			"the headroom leaves no space for a packet: it must be at most the chunk "
			"size less 704 (256 of headroom, 320 of tailroom, 128 for a packet)");
	if ((r->flags & XDP_UMEM_TX_METADATA_LEN) &&
	    (r->tx_metadata_len >= 256 || r->tx_metadata_len % 8))
		return umem_refuse("tx_metadata_len must be a multiple of 8 below 256");
	return 0;
}

static int umem_check_range(const struct umem_request *r)
{
	bool unaligned = r->flags & XDP_UMEM_UNALIGNED_CHUNK_FLAG;

	if (r->addr & (PAGE_BYTES - 1))
		return umem_refuse("its address must be a multiple of the page size");
	if (r->len > UINT64_MAX - r->addr || r->len > UINT64_MAX - PAGE_BYTES)
		return umem_refuse("it exceeds the address space");
	if (r->len < r->chunk_size)
		return umem_refuse("it is smaller than one chunk");
	if (!unaligned && (r->len & (r->chunk_size - 1)))
		return umem_refuse(
			"its size must be a whole number of chunks, or chunks unaligned");
	if (r->len / r->chunk_size > UINT32_MAX || pages_spanned(0, r->len) > UINT32_MAX)
		return umem_refuse("it has 2^32 chunks or more");
	if (unaligned && r->len > XSK_UNALIGNED_BUF_ADDR_MASK)
		return umem_refuse("with unaligned chunks it must be below 2^48 bytes");
	return 0;
}

struct xdp_umem *xdp_umem_create(const struct xdp_umem_reg *reg)
{
	struct xdp_umem *umem;
	struct umem_request r;
	int err;

	if (!reg)
		return ERR_PTR(umem_refuse("no registration (NULL)"));
	memcpy(&r, reg, sizeof(r));
	err = umem_check_shape(&r);
	if (!err)
		err = umem_check_range(&r);
	if (!err)
		err = memory_writable(r.addr, align_up(r.len, PAGE_BYTES));
	if (err)
		return ERR_PTR(err);
	umem = alloc_zeroed(sizeof(*umem));
	if (!umem)
		return ERR_PTR(-ENOMEM);
	umem->users = 1;
	umem->fork_depth = fork_depth;
	umem->addrs = (char *)(uintptr_t)r.addr;
	umem->size = r.len;
	umem->npgs = pages_spanned(0, r.len);
	umem->chunks = (u32)(r.len / r.chunk_size);
	umem->chunk_size = r.chunk_size;
	umem->headroom = r.headroom;
	umem->flags = r.flags;
	if (r.flags & XDP_UMEM_TX_METADATA_LEN)
		umem->tx_metadata_len = (u8)r.tx_metadata_len;
	return umem;
}

void umem_get(struct xdp_umem *umem)
{
	__atomic_fetch_add(&umem->users, 1, __ATOMIC_RELAXED);
}

void xdp_umem_put(struct xdp_umem *umem)
{
	if (IS_ERR_OR_NULL(umem) || umem->fork_depth != fork_depth)
		return;
	if (__atomic_fetch_sub(&umem->users, 1, __ATOMIC_ACQ_REL) == 1)
		alloc_free(umem);
}
