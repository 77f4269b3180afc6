/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of XDP that drivers need without a program. No program can be attached, so the calls
 * for programs are never reached.
 */
#ifndef KMOD_NET_XDP_H
#define KMOD_NET_XDP_H

#include <linux/skbuff.h>
#include_next <linux/bpf.h>

struct net_device;
enum xdp_mem_type { MEM_TYPE_PAGE_POOL, MEM_TYPE_XSK_BUFF_POOL };
struct xdp_mem_info {
	u32 type, id;
};
struct xdp_rxq_info {
	struct net_device *dev;
	u32 queue_index, reg_state;
	struct xdp_mem_info mem;
	unsigned int napi_id;
	u32 frag_size;
};
struct xdp_txq_info {
	struct net_device *dev;
};
struct xdp_buff {
	void *data, *data_end, *data_meta, *data_hard_start;
	struct xdp_rxq_info *rxq;
	struct xdp_txq_info *txq;
	u32 frame_sz, flags;
};
struct xdp_frame {
	void *data;
	u16 len, headroom;
	u32 metasize, frame_sz;
	struct xdp_mem_info mem;
	struct net_device *dev_rx;
	u32 flags;
};
struct xdp_frame_bulk {
	int count;
	void *xa;
	void *q[16];
};
struct bpf_prog;
enum bpf_netdev_command { XDP_SETUP_PROG, XDP_SETUP_PROG_HW, XDP_SETUP_XSK_POOL = 6 };
struct netdev_bpf {
	enum bpf_netdev_command command;
	u32 flags;
	struct bpf_prog *prog;
	struct netlink_ext_ack *extack;
};
#define NETDEV_XDP_ACT_BASIC	1
#define NETDEV_XDP_ACT_REDIRECT 2
#define NETDEV_XDP_ACT_NDO_XMIT 4
int kmod_xdp_rxq_reg(struct xdp_rxq_info *q, struct net_device *dev, u32 index);
void xdp_rxq_info_unreg(struct xdp_rxq_info *q);
#define xdp_rxq_info_reg(q, d, i, n) kmod_xdp_rxq_reg(q, d, i)
#define xdp_rxq_info_is_reg(q)	     ((q)->reg_state == 1)
int xdp_rxq_info_reg_mem_model(struct xdp_rxq_info *q, enum xdp_mem_type type, void *allocator);
#define xdp_features_set_redirect_target(d, sg) ((d)->xdp_features |= NETDEV_XDP_ACT_NDO_XMIT)
#define xdp_features_clear_redirect_target(d)	((d)->xdp_features &= ~(u32)NETDEV_XDP_ACT_NDO_XMIT)
/* These are reached only with a program. Each ends the run with a report that names it. */
#define KMOD_NO_PROGRAM(name)                                                                      \
	kmod_oops("xdp-no-program", "%s() was called, but no XDP program can be attached", name)
#define bpf_prog_run_xdp(p, x) ((u32)(KMOD_NO_PROGRAM("bpf_prog_run_xdp"), (void)(p), (void)(x), 0))
#define bpf_prog_put(p)	       (KMOD_NO_PROGRAM("bpf_prog_put"), (void)(p))
#define bpf_warn_invalid_xdp_action(d, p, a)                                                       \
	(KMOD_NO_PROGRAM("bpf_warn_invalid_xdp_action"), (void)(a))
#define xdp_do_redirect(d, x, p) (KMOD_NO_PROGRAM("xdp_do_redirect"), (void)(x), -EOPNOTSUPP)
#define xdp_do_flush()		 KMOD_NO_PROGRAM("xdp_do_flush")
#define xdp_convert_buff_to_frame(x)                                                               \
	(KMOD_NO_PROGRAM("xdp_convert_buff_to_frame"), (struct xdp_frame *)NULL)
#define xdp_return_frame(f)	    (KMOD_NO_PROGRAM("xdp_return_frame"), (void)(f))
#define xdp_return_frame_bulk(f, b) (KMOD_NO_PROGRAM("xdp_return_frame_bulk"), (void)(f))
/* Without a program a bulk is empty. */
#define xdp_flush_frame_bulk(b)	     ((void)((b)->count && (KMOD_NO_PROGRAM("xdp_flush_frame_bulk"), 0)))
#define xdp_frame_bulk_init(b)	     ((b)->count = 0, (b)->xa = NULL)
#define trace_xdp_exception(d, p, a) ((void)(d), (void)(p), (void)(a))
static inline void xdp_init_buff(struct xdp_buff *x, u32 size, struct xdp_rxq_info *q)
{
	x->frame_sz = size;
	x->rxq = q;
	x->flags = 0;
}
static inline void xdp_prepare_buff(struct xdp_buff *x, unsigned char *start, int headroom, int len,
				    bool meta)
{
	x->data_hard_start = start;
	x->data = start + headroom;
	x->data_end = start + headroom + len;
	x->data_meta = meta ? x->data : (char *)x->data + 1;
}
#define xdp_buff_clear_frags_flag(x) ((x)->flags &= ~1u)
#define xdp_buff_has_frags(x)	     (((x)->flags & 1u) != 0)

/*
 * Page pools: pages for receive buffers, mapped once. Linux:
 * Documentation/networking/page_pool.rst.
 */
#define PP_FLAG_DMA_MAP	     1
#define PP_FLAG_DMA_SYNC_DEV 2
struct page_pool_params {
	unsigned int flags, order, pool_size;
	int nid;
	struct device *dev;
	struct napi_struct *napi;
	enum dma_data_direction dma_dir;
	unsigned int max_len, offset;
	struct net_device *netdev;
};
struct page_pool {
	struct page_pool_params p;
	spinlock_t lock;
	struct page **pages; /* mapped and free */
	unsigned int n, size, outstanding;
	int destroyed;
};
struct page_pool *page_pool_create(const struct page_pool_params *params);
void page_pool_destroy(struct page_pool *pool);
struct page *kmod_page_pool_alloc(struct page_pool *pool, gfp_t gfp);
#define page_pool_alloc_pages(p, g)  kmod_page_pool_alloc(p, kmod_gfp(g))
#define page_pool_dev_alloc_pages(p) kmod_page_pool_alloc(p, GFP_ATOMIC | __GFP_NOWARN)
void page_pool_put_full_page(struct page_pool *pool, struct page *page, bool direct);
#define page_pool_recycle_direct(p, pg) page_pool_put_full_page(p, pg, true)
dma_addr_t page_pool_get_dma_addr(struct page *page);
enum dma_data_direction page_pool_get_dma_dir(struct page_pool *pool);

#endif
