/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket buffers: linear data with headroom, page fragments, clones. Linux:
 * Documentation/networking/skbuff.rst.
 *
 * `kmod_owner` is the owner that may free the buffer: the driver, or the stack between its calls.
 * The linear data is one object of kmalloc, so that AddressSanitizer reports an access after its
 * end.
 */
#ifndef KMOD_LINUX_SKBUFF_H
#define KMOD_LINUX_SKBUFF_H

#include <linux/dma-mapping.h>
#include <linux/timer.h>
#include <linux/if_ether.h>
#include <net/checksum.h>

#define MAX_SKB_FRAGS	     17
#define NET_IP_ALIGN	     2
#define NET_SKB_PAD	     64
#define SKB_DATA_ALIGN(x)    ALIGN(x, 64)
#define SKB_WITH_OVERHEAD(x) ((x)-SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
#define SKB_TRUESIZE(x)                                                                            \
	((x) + SKB_DATA_ALIGN(sizeof(struct sk_buff)) +                                            \
	 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
#define CHECKSUM_NONE	     0
#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_COMPLETE    2
#define CHECKSUM_PARTIAL     3

typedef struct skb_frag {
	struct page *netmem;
	unsigned int len, offset;
} skb_frag_t;

struct skb_shared_hwtstamps {
	ktime_t hwtstamp;
};
enum { SKBTX_HW_TSTAMP = 1, SKBTX_SW_TSTAMP = 2, SKBTX_IN_PROGRESS = 4 };
enum {
	SKB_GSO_TCPV4 = 1,
	SKB_GSO_TCPV6 = 16,
	SKB_GSO_UDP_TUNNEL = 512,
	SKB_GSO_UDP_TUNNEL_CSUM = 1024,
};

/* Shared by clones. */
struct skb_shared_info {
	u8 flags, meta_len, nr_frags, tx_flags;
	unsigned short gso_size, gso_segs;
	unsigned int gso_type;
	struct sk_buff *frag_list;
	struct skb_shared_hwtstamps hwtstamps;
	atomic_t dataref;
	skb_frag_t frags[MAX_SKB_FRAGS];
};

enum kmod_skb_owner {
	KMOD_SKB_DRIVER,
	KMOD_SKB_STACK,
	KMOD_SKB_SENT /* the driver's, by ndo_start_xmit, until it frees it */
};

struct sk_buff {
	struct sk_buff *next, *prev;
	struct net_device *dev;
	char cb[48] __aligned(8);
	unsigned int len, data_len;
	u16 mac_len, hdr_len, queue_mapping, vlan_tci;
	__be16 vlan_proto, protocol;
	u8 ip_summed : 2, csum_level : 2, cloned : 1, encapsulation : 1, no_fcs : 1,
		vlan_present : 1;
	u8 pkt_type, pfmemalloc, pp_recycle, head_frag;
	u32 priority, hash;
	u8 l4_hash;
	union {
		__wsum csum;
		struct {
			u16 csum_start, csum_offset;
		};
	};
	u16 transport_header, network_header, mac_header;
	u16 inner_transport_header, inner_network_header, inner_mac_header;
	ktime_t tstamp;
	struct skb_shared_info *shared; /* separately allocated, shared by clones */
	unsigned char *head, *data;
	unsigned int tail, end, truesize;
	refcount_t users;
	u8 kmod_owner;		  /* enum kmod_skb_owner */
	unsigned int kmod_cookie; /* number of the script's frame */
};

struct sk_buff_head {
	struct sk_buff *next, *prev;
	u32 qlen;
	spinlock_t lock;
};

struct sk_buff *kmod_alloc_skb(unsigned int size, gfp_t gfp);
struct sk_buff *kmod_netdev_alloc_skb(struct net_device *dev, unsigned int len, gfp_t gfp);
void kmod_free_skb(struct sk_buff *skb);
#define alloc_skb(s, g)	       kmod_alloc_skb(s, kmod_gfp(g))
#define dev_alloc_skb(n)       kmod_netdev_alloc_skb(NULL, n, GFP_ATOMIC)
#define netdev_alloc_skb(d, n) kmod_netdev_alloc_skb(d, n, GFP_ATOMIC)
#define __netdev_alloc_skb_ip_align(d, n, g)                                                       \
	kmod_ip_align(kmod_netdev_alloc_skb(d, (n) + NET_IP_ALIGN, kmod_gfp(g)))
#define netdev_alloc_skb_ip_align(d, n)                                                            \
	kmod_ip_align(kmod_netdev_alloc_skb(d, (n) + NET_IP_ALIGN, GFP_ATOMIC))
#define napi_alloc_skb(napi, n)                                                                    \
	kmod_ip_align(kmod_netdev_alloc_skb((napi)->dev, (n) + NET_IP_ALIGN, GFP_ATOMIC))
struct sk_buff *build_skb(void *data, unsigned int frag_size);
struct sk_buff *slab_build_skb(void *data);
struct sk_buff *napi_build_skb(void *data, unsigned int frag_size);
void *netdev_alloc_frag(unsigned int size);
void *napi_alloc_frag(unsigned int size);
void skb_free_frag(void *addr);
/*
 * Rules by context as in the kernel: kfree_skb and dev_kfree_skb must not be called in hard
 * interrupts.
 */
void kfree_skb(struct sk_buff *skb);
void consume_skb(struct sk_buff *skb);
void dev_kfree_skb_any(struct sk_buff *skb);
void dev_kfree_skb_irq(struct sk_buff *skb);
#define dev_kfree_skb(s)       consume_skb(s)
#define dev_consume_skb_any(s) dev_kfree_skb_any(s)
#define dev_consume_skb_irq(s) dev_kfree_skb_irq(s)
void napi_consume_skb(struct sk_buff *skb, int budget);

void *skb_put(struct sk_buff *skb, unsigned int n);
void *skb_push(struct sk_buff *skb, unsigned int n);
void *skb_pull(struct sk_buff *skb, unsigned int n);
void skb_trim(struct sk_buff *skb, unsigned int len);
int pskb_trim(struct sk_buff *skb, unsigned int len);
int skb_pad(struct sk_buff *skb, int pad);
int skb_padto(struct sk_buff *skb, unsigned int len);
int skb_put_padto(struct sk_buff *skb, unsigned int len);
int skb_linearize(struct sk_buff *skb);
int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len);
void *__pskb_pull_tail(struct sk_buff *skb, int delta);
int pskb_may_pull(struct sk_buff *skb, unsigned int len);
int pskb_expand_head(struct sk_buff *skb, int headroom, int tailroom, gfp_t gfp);
struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t gfp);
struct sk_buff *skb_copy(const struct sk_buff *skb, gfp_t gfp);
struct sk_buff *skb_get(struct sk_buff *skb);
int skb_cow_head(struct sk_buff *skb, unsigned int headroom);
int skb_checksum_help(struct sk_buff *skb);
void skb_copy_and_csum_dev(const struct sk_buff *skb, u8 *to);
void skb_add_rx_frag(struct sk_buff *skb, int i, struct page *page, int off, int size,
		     unsigned int truesize);
void skb_tx_timestamp(struct sk_buff *skb);
void skb_tstamp_tx(struct sk_buff *skb, struct skb_shared_hwtstamps *t);
int eth_skb_pad(struct sk_buff *skb);
__be16 eth_type_trans(struct sk_buff *skb, struct net_device *dev);

#define skb_shinfo(s) ((s)->shared)
static inline struct sk_buff *kmod_ip_align(struct sk_buff *skb)
{
	if (skb) {
		skb->data += NET_IP_ALIGN;
		skb->tail += NET_IP_ALIGN;
	}
	return skb;
}
static inline void *skb_put_data(struct sk_buff *skb, const void *data, unsigned int n)
{
	return memcpy(skb_put(skb, n), data, n);
}
static inline void *skb_put_zero(struct sk_buff *skb, unsigned int n)
{
	return memset(skb_put(skb, n), 0, n);
}
static inline void skb_put_u8(struct sk_buff *skb, u8 v)
{
	*(u8 *)skb_put(skb, 1) = v;
}
static inline unsigned int skb_headlen(const struct sk_buff *skb)
{
	return skb->len - skb->data_len;
}
static inline bool skb_is_nonlinear(const struct sk_buff *skb)
{
	return skb->data_len != 0;
}
static inline unsigned char *skb_tail_pointer(const struct sk_buff *skb)
{
	return skb->head + skb->tail;
}
static inline unsigned char *skb_end_pointer(const struct sk_buff *skb)
{
	return skb->head + skb->end;
}
static inline int skb_tailroom(const struct sk_buff *skb)
{
	return skb_is_nonlinear(skb) ? 0 : (int)(skb->end - skb->tail);
}
static inline unsigned int skb_headroom(const struct sk_buff *skb)
{
	return (unsigned int)(skb->data - skb->head);
}
static inline void skb_reserve(struct sk_buff *skb, int n)
{
	skb->data += n;
	skb->tail += (unsigned int)n;
}
static inline void skb_reset_tail_pointer(struct sk_buff *skb)
{
	skb->tail = (unsigned int)(skb->data - skb->head);
}
#define KMOD_SKB_HEADER(which)                                                                     \
	static inline unsigned char *skb_##which##_header(const struct sk_buff *skb)               \
	{                                                                                          \
		return skb->head + skb->which##_header;                                            \
	}                                                                                          \
	static inline void skb_reset_##which##_header(struct sk_buff *skb)                         \
	{                                                                                          \
		skb->which##_header = (u16)(skb->data - skb->head);                                \
	}                                                                                          \
	static inline void skb_set_##which##_header(struct sk_buff *skb, int offset)               \
	{                                                                                          \
		skb->which##_header = (u16)(skb->data - skb->head + offset);                       \
	}                                                                                          \
	static inline int skb_##which##_offset(const struct sk_buff *skb)                          \
	{                                                                                          \
		return (int)(skb_##which##_header(skb) - skb->data);                               \
	}
KMOD_SKB_HEADER(transport)
KMOD_SKB_HEADER(network)
KMOD_SKB_HEADER(mac)
KMOD_SKB_HEADER(inner_transport)
KMOD_SKB_HEADER(inner_network)
KMOD_SKB_HEADER(inner_mac)
static inline int skb_checksum_start_offset(const struct sk_buff *skb)
{
	return (int)skb->csum_start - (int)skb_headroom(skb);
}
static inline bool skb_is_gso(const struct sk_buff *skb)
{
	return skb->shared->gso_size != 0;
}
static inline bool skb_is_gso_v6(const struct sk_buff *skb)
{
	return (skb->shared->gso_type & SKB_GSO_TCPV6) != 0;
}
static inline int skb_header_cloned(const struct sk_buff *skb)
{
	return skb->cloned && atomic_read(&skb->shared->dataref) > 1;
}
static inline int skb_cloned(const struct sk_buff *skb)
{
	return skb_header_cloned(skb);
}
static inline bool skb_shared(const struct sk_buff *skb)
{
	return refcount_read(&skb->users) != 1;
}
#define skb_checksum_none_assert(s)			((void)(s))
#define skb_copy_to_linear_data(s, from, n)		memcpy((s)->data, from, n)
#define skb_copy_to_linear_data_offset(s, off, from, n) memcpy((s)->data + (off), from, n)
#define skb_copy_from_linear_data(s, to, n)		memcpy(to, (s)->data, n)
#define skb_record_rx_queue(s, q)			((s)->queue_mapping = (u16)((q) + 1))
#define skb_get_queue_mapping(s)			((s)->queue_mapping)
#define skb_mark_for_recycle(s)				((s)->pp_recycle = 1)
#define skb_hwtstamps(s)				(&(s)->shared->hwtstamps)
#define skb_frag_size(f)				((f)->len)
#define skb_frag_off(f)					((f)->offset)
#define skb_frag_page(f)				((f)->netmem)
#define skb_frag_address(f)				((void *)((char *)page_address((f)->netmem) + (f)->offset))
#define skb_frag_size_set(f, n)				((f)->len = (n))
#define skb_frag_size_sub(f, n)				((f)->len -= (n))
#define __skb_frag_set_page(f, p)			((f)->netmem = (p)) /* until 6.5 */
#define skb_frag_off_set(f, n)				((f)->offset = (n))
#define skb_frag_off_add(f, n)				((f)->offset += (n))
#define skb_frag_dma_map(dev, f, off, size, dir)                                                   \
	dma_map_page(dev, (f)->netmem, (f)->offset + (off), size, dir)
static inline void skb_frag_fill_page_desc(skb_frag_t *f, struct page *page, int off, int size)
{
	f->netmem = page;
	f->offset = (unsigned int)off;
	f->len = (unsigned int)size;
}
static inline void skb_fill_page_desc(struct sk_buff *skb, int i, struct page *page, int off,
				      int size)
{
	skb_frag_fill_page_desc(&skb->shared->frags[i], page, off, size);
	skb->shared->nr_frags = (u8)(i + 1);
}
enum pkt_hash_types { PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L2, PKT_HASH_TYPE_L3, PKT_HASH_TYPE_L4 };
static inline void skb_set_hash(struct sk_buff *skb, u32 hash, enum pkt_hash_types type)
{
	skb->hash = hash;
	skb->l4_hash = type == PKT_HASH_TYPE_L4;
}

void skb_queue_head_init(struct sk_buff_head *q);
void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb);
void skb_queue_head(struct sk_buff_head *q, struct sk_buff *skb);
struct sk_buff *skb_dequeue(struct sk_buff_head *q);
void skb_queue_purge(struct sk_buff_head *q);
#define __skb_queue_head_init(q) skb_queue_head_init(q)
#define __skb_queue_tail(q, s)	 skb_queue_tail(q, s)
#define __skb_dequeue(q)	 skb_dequeue(q)
#define __skb_queue_purge(q)	 skb_queue_purge(q)
#define skb_queue_empty(q)	 (!READ_ONCE((q)->qlen))
#define skb_queue_len(q)	 READ_ONCE((q)->qlen)

#endif
