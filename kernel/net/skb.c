/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket buffers. The structure and the shared part are objects of the host's allocator, for which
 * AddressSanitizer has red zones and a quarantine. The data is allocated by kmalloc, since devices
 * access it. Clones share the data and the shared part, which are freed with the last clone.
 */
#include "net.h"

static struct sk_buff *skb_make(void *head, unsigned int size)
{
	struct sk_buff *skb = kmod_calloc(NULL, 1, sizeof(*skb));
	struct skb_shared_info *shared = kmod_calloc(NULL, 1, sizeof(*shared));

	if (!skb || !shared || !head) {
		host_free(skb);
		host_free(shared);
		return NULL;
	}
	skb->head = skb->data = head;
	skb->end = size;
	skb->shared = shared;
	skb->truesize = SKB_TRUESIZE(size);
	skb->mac_header = skb->transport_header = (u16)~0;
	refcount_set(&skb->users, 1);
	atomic_set(&shared->dataref, 1);
	kmod_ledger_add(KMOD_SKB, skb, size);
	return skb;
}

struct sk_buff *kmod_alloc_skb(unsigned int size, gfp_t gfp)
{
	void *head;
	struct sk_buff *skb;

	if (kmod_fail("skb"))
		return NULL;
	head = kmod_kmalloc(1, size ? size : 1, gfp);
	skb = skb_make(head, size);
	if (!skb)
		kfree(head);
	return skb;
}

struct sk_buff *kmod_netdev_alloc_skb(struct net_device *dev, unsigned int len, gfp_t gfp)
{
	struct sk_buff *skb = kmod_alloc_skb(len + NET_SKB_PAD, gfp);

	if (skb) {
		skb_reserve(skb, NET_SKB_PAD);
		skb->dev = dev;
	}
	return skb;
}

struct sk_buff *build_skb(void *data, unsigned int frag_size)
{
	unsigned int tail = SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	struct sk_buff *skb;
	size_t size;

	if (kmod_fail("skb"))
		return NULL;
	if (!frag_size && kmod_ledger_find(KMOD_MEMORY, data, &size, NULL))
		frag_size = (unsigned int)size;
	skb = frag_size > tail ? skb_make(data, frag_size - tail) : NULL;
	if (skb)
		skb->head_frag = 1;
	return skb;
}

struct sk_buff *napi_build_skb(void *data, unsigned int frag_size)
{
	return build_skb(data, frag_size);
}

void *netdev_alloc_frag(unsigned int size)
{
	return kmod_kmalloc(1, size, GFP_ATOMIC);
}

void *napi_alloc_frag(unsigned int size)
{
	return kmod_kmalloc(1, size, GFP_ATOMIC);
}

/* Accepts any address in the fragment; the kernel finds the fragment by its page. */
void skb_free_frag(void *addr)
{
	const void *object = kmod_object_of(addr);

	kfree(object ? object : addr);
}

void kmod_skb_release_data(struct sk_buff *skb)
{
	struct skb_shared_info *s = skb->shared;

	if (atomic_dec_return(&s->dataref))
		return;
	for (unsigned int i = 0; i < s->nr_frags; i++)
		put_page(s->frags[i].netmem);
	while (s->frag_list) {
		struct sk_buff *next = s->frag_list->next;

		kmod_free_skb(s->frag_list);
		s->frag_list = next;
	}
	skb_free_frag(skb->head);
	host_free(s);
}

/*
 * Drops the caller's reference. If the driver may not free the buffer, this is reported and the
 * buffer stays.
 */
void kmod_free_skb(struct sk_buff *skb)
{
	struct kmod_stack at;

	if (!skb)
		return;
	if (!kmod_ledger_find(KMOD_SKB, skb, NULL, &at)) {
		struct kmod_stack allocated, freed;
		char text[128];

		if (!kmod_ledger_describe(skb, text, sizeof(text), &allocated, &freed))
			freed.n = 0;
		kmod_finding_with("skb-double-free", &freed, "freed here before",
				  "a socket buffer is freed that is not allocated");
		return;
	}
	if (!refcount_dec_and_test(&skb->users))
		return;
	kmod_skb_own(skb, KMOD_SKB_DRIVER);
	kmod_ledger_del(KMOD_SKB, skb);
	kmod_skb_release_data(skb);
	host_free(skb);
}

static void skb_driver_free(struct sk_buff *skb, const char *what)
{
	struct kmod_stack at;

	if (skb && kmod_ledger_find(KMOD_SKB, skb, NULL, &at) &&
	    skb->kmod_owner == KMOD_SKB_STACK && refcount_read(&skb->users) == 1) {
		kmod_finding_with(
			"skb-not-owned", &at, "allocated here",
			"%s() of a socket buffer that the stack owns: the driver returned it by "
			"NETDEV_TX_BUSY, or passed it up",
			what);
		return; /* the stack still uses the buffer */
	}
	kmod_free_skb(skb);
}

static void skb_check_context(const char *what)
{
	if (kmod_context()->hardirq || kmod_context()->irqs_off)
		kmod_finding("skb-free-context",
			     "%s() in a hard interrupt or with interrupts disabled: "
			     "use dev_kfree_skb_any() or dev_kfree_skb_irq()",
			     what);
}

void kfree_skb(struct sk_buff *skb)
{
	skb_driver_free(skb, "kfree_skb");
}

void consume_skb(struct sk_buff *skb)
{
	if (skb)
		skb_check_context("consume_skb");
	skb_driver_free(skb, "consume_skb");
}

void dev_kfree_skb_any(struct sk_buff *skb)
{
	skb_driver_free(skb, "dev_kfree_skb_any");
}

void dev_kfree_skb_irq(struct sk_buff *skb)
{
	skb_driver_free(skb, "dev_kfree_skb_irq");
}

void napi_consume_skb(struct sk_buff *skb, int budget)
{
	skb_driver_free(skb, "napi_consume_skb");
}

static atomic_t skb_sent;

void kmod_skb_own(struct sk_buff *skb, u8 owner)
{
	atomic_add((owner == KMOD_SKB_SENT) - (skb->kmod_owner == KMOD_SKB_SENT), &skb_sent);
	skb->kmod_owner = owner;
}

bool kmod_skb_busy(void)
{
	return atomic_read(&skb_sent) != 0;
}

struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t gfp)
{
	struct sk_buff *n = kmod_calloc("skb", 1, sizeof(*n));

	kmod_gfp(gfp);
	if (!n)
		return NULL;
	*n = *skb;
	n->next = n->prev = NULL;
	n->cloned = skb->cloned = 1;
	n->kmod_owner = KMOD_SKB_DRIVER;
	refcount_set(&n->users, 1);
	atomic_inc(&skb->shared->dataref);
	kmod_ledger_add(KMOD_SKB, n, skb->end);
	return n;
}

struct sk_buff *skb_copy(const struct sk_buff *skb, gfp_t gfp)
{
	unsigned int headroom = skb_headroom(skb);
	struct sk_buff *n = kmod_alloc_skb(max(skb->end, headroom + skb->len), kmod_gfp(gfp));

	if (!n)
		return NULL;
	skb_reserve(n, (int)headroom);
	skb_copy_bits(skb, 0, skb_put(n, skb->len), (int)skb->len);
	n->dev = skb->dev;
	n->protocol = skb->protocol;
	n->mac_header = skb->mac_header;
	n->network_header = skb->network_header;
	n->transport_header = skb->transport_header;
	n->ip_summed = skb->ip_summed;
	n->csum = skb->csum;
	return n;
}

struct sk_buff *skb_get(struct sk_buff *skb)
{
	refcount_inc(&skb->users);
	return skb;
}

int skb_cow_head(struct sk_buff *skb, unsigned int headroom)
{
	unsigned int have = skb_headroom(skb), more = headroom > have ? headroom - have : 0;

	return more || skb_cloned(skb) ? pskb_expand_head(skb, (int)more, 0, GFP_ATOMIC) : 0;
}

int skb_checksum_help(struct sk_buff *skb)
{
	int start = skb_checksum_start_offset(skb);
	__wsum sum;

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return 0;
	if (skb_linearize(skb))
		return -ENOMEM;
	sum = csum_partial(skb->data + start, (int)skb->len - start, 0);
	*(__sum16 *)(skb->data + start + skb->csum_offset) =
		csum_fold(sum) ? csum_fold(sum) : (__force __sum16)0xffff;
	skb->ip_summed = CHECKSUM_NONE;
	return 0;
}

void skb_copy_and_csum_dev(const struct sk_buff *skb, u8 *to)
{
	skb_copy_bits(skb, 0, to, (int)skb->len);
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		int start = skb_checksum_start_offset(skb);

		*(__sum16 *)(to + start + skb->csum_offset) =
			csum_fold(csum_partial(to + start, (int)skb->len - start, 0));
	}
}

void skb_add_rx_frag(struct sk_buff *skb, int i, struct page *page, int off, int size,
		     unsigned int truesize)
{
	skb_fill_page_desc(skb, i, page, off, size);
	skb->len += (unsigned int)size;
	skb->data_len += (unsigned int)size;
	skb->truesize += truesize;
}

void skb_tx_timestamp(struct sk_buff *skb)
{
	skb->tstamp = ktime_get_real();
}

void skb_tstamp_tx(struct sk_buff *skb, struct skb_shared_hwtstamps *t)
{
}

__be16 eth_type_trans(struct sk_buff *skb, struct net_device *dev)
{
	const struct ethhdr *eth;

	skb->dev = dev;
	skb_reset_mac_header(skb);
	eth = eth_hdr(skb);
	if (!skb_pull(skb, ETH_HLEN))
		kmod_oops("skb-short",
			  "eth_type_trans() of %u bytes, which are not an Ethernet frame",
			  skb->len);
	if (is_broadcast_ether_addr(eth->h_dest))
		skb->pkt_type = PACKET_BROADCAST;
	else if (is_multicast_ether_addr(eth->h_dest))
		skb->pkt_type = PACKET_MULTICAST;
	else if (!ether_addr_equal(eth->h_dest, dev->dev_addr))
		skb->pkt_type = PACKET_OTHERHOST;
	return ntohs(eth->h_proto) >= ETH_P_802_3_MIN ? eth->h_proto : htons(ETH_P_802_2);
}

void skb_queue_head_init(struct sk_buff_head *q)
{
	q->next = q->prev = (struct sk_buff *)q;
	q->qlen = 0;
	spin_lock_init(&q->lock);
}

static void skb_queue_insert(struct sk_buff_head *q, struct sk_buff *skb, struct sk_buff *before)
{
	skb->next = before;
	skb->prev = before->prev;
	before->prev->next = skb;
	before->prev = skb;
	q->qlen++;
}

void skb_queue_tail(struct sk_buff_head *q, struct sk_buff *skb)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	skb_queue_insert(q, skb, (struct sk_buff *)q);
	spin_unlock_irqrestore(&q->lock, flags);
}

void skb_queue_head(struct sk_buff_head *q, struct sk_buff *skb)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	skb_queue_insert(q, skb, q->next);
	spin_unlock_irqrestore(&q->lock, flags);
}

struct sk_buff *skb_dequeue(struct sk_buff_head *q)
{
	struct sk_buff *skb;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	skb = q->next == (struct sk_buff *)q ? NULL : q->next;
	if (skb) {
		skb->prev->next = skb->next;
		skb->next->prev = skb->prev;
		skb->next = skb->prev = NULL;
		q->qlen--;
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return skb;
}

void skb_queue_purge(struct sk_buff_head *q)
{
	struct sk_buff *skb;

	while ((skb = skb_dequeue(q)))
		kmod_free_skb(skb);
}
