/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes of a socket buffer: linear data between headroom and tailroom, then fragments. If
 * skb_put() or skb_push() exceeds the buffer, the run ends, as with skb_over_panic() in the kernel.
 */
#include "net.h"

void *skb_put(struct sk_buff *skb, unsigned int n)
{
	unsigned char *at = skb_tail_pointer(skb);

	if (skb->data_len)
		kmod_oops("skb-nonlinear", "skb_put() of a socket buffer with fragments");
	if (n > skb->end - skb->tail || skb->tail > skb->end)
		kmod_oops("skb-over", "skb_put() of %u bytes, but only %u fit", n,
			  skb->end - skb->tail);
	skb->tail += n;
	skb->len += n;
	return at;
}

void *skb_push(struct sk_buff *skb, unsigned int n)
{
	if (n > skb_headroom(skb))
		kmod_oops("skb-under", "skb_push() of %u bytes, but the headroom has %u", n,
			  skb_headroom(skb));
	skb->data -= n;
	skb->len += n;
	return skb->data;
}

void *skb_pull(struct sk_buff *skb, unsigned int n)
{
	if (n > skb->len)
		return NULL;
	if (n > skb_headlen(skb) && !__pskb_pull_tail(skb, (int)(n - skb_headlen(skb))))
		return NULL;
	skb->len -= n;
	return skb->data += n;
}

void skb_trim(struct sk_buff *skb, unsigned int len)
{
	if (len >= skb->len)
		return;
	if (skb->data_len) {
		kmod_finding("skb-nonlinear",
			     "skb_trim() of a socket buffer with fragments: use pskb_trim()");
		return;
	}
	skb->len = len;
	skb->tail = (unsigned int)(skb->data - skb->head) + len;
}

/* Copies the shared part of a clone, with the same fragments, so that the clone has its own. */
static struct skb_shared_info *skb_shared_copy(const struct skb_shared_info *s)
{
	struct skb_shared_info *n = kmod_calloc("skb", 1, sizeof(*n));

	if (!n)
		return NULL;
	*n = *s;
	atomic_set(&n->dataref, 1);
	for (unsigned int i = 0; i < n->nr_frags; i++)
		get_page(n->frags[i].netmem);
	for (struct sk_buff *f = n->frag_list; f; f = f->next)
		skb_get(f);
	return n;
}

/*
 * Allocates another head of `size` bytes with `headroom` before the linear data; the fragments
 * stay. Data that clones share is copied, and the clones keep the original.
 */
static int skb_rehead(struct sk_buff *skb, unsigned int headroom, unsigned int size, gfp_t gfp)
{
	unsigned int linear = skb_headlen(skb), old = skb_headroom(skb);
	struct skb_shared_info *shared;
	u8 *head;
	int move = (int)headroom - (int)old;

	if (kmod_fail("skb"))
		return -ENOMEM;
	head = kmod_kmalloc(1, size, gfp);
	if (!head)
		return -ENOMEM;
	shared = skb_cloned(skb) ? skb_shared_copy(skb->shared) : skb->shared;
	if (!shared) {
		kfree(head);
		return -ENOMEM;
	}
	memcpy(head + headroom, skb->data, linear);
	if (shared == skb->shared)
		kfree(skb->head);
	else
		kmod_skb_release_data(skb);
	skb->shared = shared;
	skb->cloned = 0;
	skb->head = head;
	skb->data = head + headroom;
	skb->tail = headroom + linear;
	skb->end = size;
	skb->mac_header = (u16)(skb->mac_header + move);
	skb->network_header = (u16)(skb->network_header + move);
	skb->transport_header = (u16)(skb->transport_header + move);
	skb->csum_start = (u16)(skb->csum_start + move);
	return 0;
}

/* A function that changes the fragments needs a shared part of its own. */
static int skb_unclone(struct sk_buff *skb)
{
	return skb_cloned(skb) ? skb_rehead(skb, skb_headroom(skb), skb->end, GFP_ATOMIC) : 0;
}

int pskb_trim(struct sk_buff *skb, unsigned int len)
{
	unsigned int at = skb_headlen(skb);
	struct skb_shared_info *s;

	if (len >= skb->len)
		return 0;
	if (skb_unclone(skb))
		return -ENOMEM;
	s = skb->shared;
	if (len <= at) {
		skb->tail -= at - len;
		at = len;
	}
	for (unsigned int i = 0; i < s->nr_frags; i++) {
		unsigned int take = min(s->frags[i].len, len - at);

		s->frags[i].len = take;
		at += take;
	}
	while (s->nr_frags && !s->frags[s->nr_frags - 1].len)
		put_page(s->frags[--s->nr_frags].netmem);
	skb->len = len;
	skb->data_len = len - (unsigned int)(skb_tail_pointer(skb) - skb->data);
	return 0;
}

int skb_copy_bits(const struct sk_buff *skb, int offset, void *to, int len)
{
	unsigned int at = (unsigned int)offset, left = (unsigned int)len, head = skb_headlen(skb),
		     n;
	u8 *out = to;

	if (offset < 0 || len < 0 || at > skb->len || left > skb->len - at)
		return -EFAULT;
	if (at < head) {
		n = min(left, head - at);
		memcpy(out, skb->data + at, n);
		out += n;
		left -= n;
		at = 0;
	} else {
		at -= head;
	}
	for (unsigned int i = 0; left && i < skb->shared->nr_frags; i++) {
		const skb_frag_t *f = &skb->shared->frags[i];

		if (at >= f->len) {
			at -= f->len;
			continue;
		}
		n = min(left, f->len - at);
		memcpy(out, (u8 *)skb_frag_address(f) + at, n);
		out += n;
		left -= n;
		at = 0;
	}
	return left ? -EFAULT : 0;
}

int pskb_expand_head(struct sk_buff *skb, int headroom, int tailroom, gfp_t gfp)
{
	kmod_gfp(gfp);
	return skb_rehead(skb, skb_headroom(skb) + (unsigned int)headroom,
			  skb->end + (unsigned int)headroom + (unsigned int)tailroom, gfp);
}

void *__pskb_pull_tail(struct sk_buff *skb, int delta)
{
	unsigned int n = (unsigned int)delta, eaten = 0;
	struct skb_shared_info *s;

	if (n > skb->data_len || skb_unclone(skb))
		return NULL;
	s = skb->shared;
	if (skb->end - skb->tail < n &&
	    skb_rehead(skb, skb_headroom(skb), skb->tail + n + 128, GFP_ATOMIC))
		return NULL;
	skb_copy_bits(skb, (int)skb_headlen(skb), skb_tail_pointer(skb), delta);
	skb->tail += n;
	skb->data_len -= n;
	for (unsigned int i = 0; i < s->nr_frags && n; i++) {
		unsigned int take = min(n, s->frags[i].len);

		s->frags[i].offset += take;
		s->frags[i].len -= take;
		n -= take;
		if (!s->frags[i].len) {
			put_page(s->frags[i].netmem);
			eaten++;
		}
	}
	memmove(&s->frags[0], &s->frags[eaten], (s->nr_frags - eaten) * sizeof(s->frags[0]));
	s->nr_frags = (u8)(s->nr_frags - eaten);
	return skb_tail_pointer(skb);
}

int pskb_may_pull(struct sk_buff *skb, unsigned int len)
{
	if (len <= skb_headlen(skb))
		return 1;
	return len <= skb->len && __pskb_pull_tail(skb, (int)(len - skb_headlen(skb)));
}

int skb_linearize(struct sk_buff *skb)
{
	return !skb->data_len || __pskb_pull_tail(skb, (int)skb->data_len) ? 0 : -ENOMEM;
}

/* On failure the buffer is freed, as documented. */
int skb_pad(struct sk_buff *skb, int pad)
{
	if (skb_linearize(skb) ||
	    ((int)(skb->end - skb->tail) < pad &&
	     skb_rehead(skb, skb_headroom(skb), skb->tail + (unsigned int)pad + 128, GFP_ATOMIC))) {
		kmod_free_skb(skb);
		return -ENOMEM;
	}
	memset(skb_tail_pointer(skb), 0, (size_t)pad);
	return 0;
}

int skb_padto(struct sk_buff *skb, unsigned int len)
{
	return skb->len >= len ? 0 : skb_pad(skb, (int)(len - skb->len));
}

int skb_put_padto(struct sk_buff *skb, unsigned int len)
{
	unsigned int more = len > skb->len ? len - skb->len : 0;

	if (!more)
		return 0;
	if (skb_pad(skb, (int)more))
		return -ENOMEM;
	skb->tail += more;
	skb->len += more;
	return 0;
}

int eth_skb_pad(struct sk_buff *skb)
{
	return skb_put_padto(skb, ETH_ZLEN);
}
