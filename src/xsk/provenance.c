/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For pools of checked devices: the call that allocated each buffer, and the call that freed it or
 * passed it on. Only one line of each is recorded, since there are many packets. A flag of the
 * buffer enables this, in the test that already detects released buffers, so other pools have no
 * additional cost. The records belong to the thread of the pool's receiving side. Without memory
 * for them, reports have only their first stack.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "xsk/xsk.h"

struct xsk_provenance {
	const struct stack *taken, *gone;
	/* line that freed a fragment of the packet that begins with this buffer */
	const struct stack *cut;
};

void provenance_begin(struct xsk_pool *p)
{
	int saved = errno;

	p->busy = 0;
	if (!p->xd->dev->check || p->provenance)
		return;
	p->provenance = alloc_array(p->pub.heads_cnt, sizeof(*p->provenance));
	p->pub.tracked = p->provenance != NULL;
	errno = saved;
}

void provenance_end(struct xsk_pool *p)
{
	alloc_free(p->provenance);
}

static struct xsk_provenance *provenance_of(const struct xdp_buff_xsk *x)
{
	const struct xsk_pool *p = pool_of(x->pool);

	return p->provenance ? &p->provenance[x - x->pool->heads] : NULL;
}

void provenance_record(struct xdp_buff **xdp, u32 n, const void *caller)
{
	const struct stack *taken = n ? check_line(caller) : NULL;

	for (u32 i = 0; i < n; i++) {
		xdp[i]->flags |= XDP_FLAGS_TRACKED;
		*provenance_of(xsk_buff_of(xdp[i])) = (struct xsk_provenance){.taken = taken};
	}
}

/* Returns how many buffers the driver has; `history` is set to the allocation of one of them. */
static u64 provenance_count_held(const struct xsk_pool *p, struct check_history *history)
{
	const struct xsk_buff_pool *pub = &p->pub;
	u64 n = pub->heads_used - (u64)(pub->empty.top - pub->empty.bottom) -
		(u64)(pub->freed.top - pub->freed.bottom);

	*history = (struct check_history){.what = {"allocated"}};
	for (u32 i = 0; n && p->provenance && i < pub->heads_used && !history->at[0]; i++)
		if (!(pub->heads[i].xdp.flags & XDP_FLAGS_GONE))
			history->at[0] = p->provenance[i].taken;
	return n;
}

/* Buffers that the driver holds at this point are leaked. */
void provenance_report_kept(const struct xsk_pool *p)
{
	struct device *dev = p->xd->dev;
	struct check_history history;
	u64 n = dev->check ? provenance_count_held(p, &history) : 0;

	if (n <= p->busy)
		return;
	check_enter(NULL);
	check_report_history(
		dev, true, DMAMAP_CHECK_XSK_KEPT, 0, n * p->pub.frame_len, DMA_NONE, &history,
		"the driver still has %llu XSK buffers of queue %u after its setup_pool() with no "
		"pool: xsk_buff_free() each first",
		(unsigned long long)n, p->pub.queue_id);
}

void provenance_report_busy(struct xsk_pool *p, const void *caller)
{
	struct device *dev = p->pub.dev;
	struct check_history history;

	p->busy = dev && dev->check ? provenance_count_held(p, &history) : 0;
	if (!p->busy)
		return;
	check_enter(caller);
	check_report_history(
		dev, true, DMAMAP_CHECK_XSK_BUSY, 0, p->busy * p->pub.frame_len, DMA_NONE, &history,
		"the UMEM is unmapped while the driver has %llu XSK buffers of queue %u, which the "
		"device may be writing: stop it and xsk_buff_free() each first",
		(unsigned long long)p->busy, p->pub.queue_id);
}

static void provenance_twice(struct xdp_buff_xsk *x, const void *caller,
			     const struct check_history *history, const char *what)
{
	struct device *dev = x->pool->dev;

	check_enter(caller);
	check_report_history(dev, dev && dev->check, DMAMAP_CHECK_XSK_TWICE, x->dma,
			     x->pool->frame_len, DMA_BIDIRECTIONAL, history,
			     "%s chunk %#llx was freed or passed on before: "
			     "the driver does not own it any more",
			     what,
			     (unsigned long long)((char *)x->xdp.data_hard_start - x->pool->addrs));
}

void provenance_cut(struct xdp_buff_xsk *x)
{
	const struct xsk_provenance *provenance = provenance_of(x);
	struct check_history history = {.what = {"freed", "allocated"}};

	if (provenance) {
		history.at[0] = provenance->cut;
		history.at[1] = provenance->taken;
	}
	provenance_twice(x, __builtin_return_address(0), &history,
			 "a fragment of the packet that begins in");
}

/*
 * Unlinks a buffer from its packet, or dissolves the packet that begins with it, so that no list
 * contains a freed buffer.
 */
static void provenance_leave_packet(struct xdp_buff_xsk *x, const void *caller)
{
	if (x->xdp.flags & XDP_FLAGS_IS_FRAG) {
		struct xdp_buff_xsk *first = x->first;
		struct xsk_provenance *provenance = provenance_of(first);

		xsk_buff_del_frag(&x->xdp);
		first->xdp.flags |= XDP_FLAGS_CUT;
		if (provenance)
			provenance->cut = check_line(caller);
	}
	while (xsk_buff_get_frag(&x->xdp))
		; /* the driver still owns them, as separate buffers */
}

bool xp_track_release(struct xdp_buff_xsk *x)
{
	const void *caller = __builtin_return_address(0);
	struct xsk_provenance *provenance = provenance_of(x);
	struct check_history history = {.what = {"freed or given on", "allocated"}};

	if (!(x->xdp.flags & XDP_FLAGS_GONE)) {
		provenance_leave_packet(x, caller);
		if (provenance)
			provenance->gone = check_line(caller);
		return true;
	}
	if (provenance) {
		history.at[0] = provenance->gone;
		history.at[1] = provenance->taken;
	}
	provenance_twice(x, caller, &history, "an XSK buffer of");
	return false;
}
