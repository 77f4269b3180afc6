/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header's inline functions as functions, for runtimes of other languages, which look them up
 * by name. An extern declaration makes the compiler emit the header's definition here.
 */
#include <dmamap/types.h>
#include <xdp/xsk.h>

#define API extern DMAMAP_API

API __u64 *xsk_ring_prod__fill_addr(struct xsk_ring_prod *fill, __u32 idx);
API const __u64 *xsk_ring_cons__comp_addr(const struct xsk_ring_cons *comp, __u32 idx);
API struct xdp_desc *xsk_ring_prod__tx_desc(struct xsk_ring_prod *tx, __u32 idx);
API const struct xdp_desc *xsk_ring_cons__rx_desc(const struct xsk_ring_cons *rx, __u32 idx);
API int xsk_ring_prod__needs_wakeup(const struct xsk_ring_prod *r);
API __u32 xsk_prod_nb_free(struct xsk_ring_prod *r, __u32 nb);
API __u32 xsk_cons_nb_avail(struct xsk_ring_cons *r, __u32 nb);
API __u32 xsk_ring_prod__reserve(struct xsk_ring_prod *prod, __u32 nb, __u32 *idx);
API void xsk_ring_prod__submit(struct xsk_ring_prod *prod, __u32 nb);
API __u32 xsk_ring_cons__peek(struct xsk_ring_cons *cons, __u32 nb, __u32 *idx);
API void xsk_ring_cons__cancel(struct xsk_ring_cons *cons, __u32 nb);
API void xsk_ring_cons__release(struct xsk_ring_cons *cons, __u32 nb);
API void *xsk_umem__get_data(void *umem_area, __u64 addr);
API __u64 xsk_umem__extract_addr(__u64 addr);
API __u64 xsk_umem__extract_offset(__u64 addr);
API __u64 xsk_umem__add_offset_to_addr(__u64 addr);
