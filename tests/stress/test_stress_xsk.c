/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XSK with two threads: an application that overwrites its rings at random while a driver uses
 * them, and a correct application in which millions of buffers circulate, none of which may be lost
 * or appear twice.
 *
 * DMAMAP_XSK_SECONDS: duration of the first; DMAMAP_XSK_BUFFERS: number of buffers in the second.
 */
#include "../unit/xsk_rig.h"
#include "stress.h"

#include "base/clock.h"
#include "xsk/xsk.h"

#include <sched.h>

enum { CHUNKS = 256, RING = 64, BATCH = 32 };

static struct area area;
static struct app app;
static bool quit;

static u64 wanted(const char *name, u64 usual)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 10) : usual;
}

/* The UMEM is between pages that may not be accessed. */
static void guarded_area(u32 flags)
{
	u64 size = (u64)CHUNKS * CHUNK;
	char *all = mmap(NULL, size + 2 * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xdp_umem_reg reg = {
		.len = size, .chunk_size = CHUNK, .flags = flags, .headroom = 40};

	assert_true(all != MAP_FAILED);
	area.memory = all + PAGE_SIZE;
	area.size = size;
	assert_int_equal(mprotect(area.memory, size, PROT_READ | PROT_WRITE), 0);
	reg.addr = (uintptr_t)area.memory;
	area.umem = xdp_umem_create(&reg);
	assert_false(IS_ERR(area.umem));
}

static void guarded_close(void)
{
	xdp_umem_put(area.umem);
	munmap(area.memory - PAGE_SIZE, area.size + 2 * PAGE_SIZE);
}

static u64 nasty(u64 *random)
{
	u64 r = next_random(random);

	switch (r & 7) {
	case 0:
		return r << 32 | next_random(random);
	case 1:
		return area.size - (r >> 3) % 5000;
	case 2:
		return ~(r >> 3 & 0xfff);
	default:
		return (r >> 3) % area.size;
	}
}

/* Any value in an entry, mostly a plausible one; sometimes descriptors that are valid. */
static void scribble_entry(struct app_ring *r, bool descs, u64 *random)
{
	u32 at = next_random(random) & (r->size - 1);

	if (!descs) {
		__atomic_store_n(&r->addr[at], nasty(random), __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&r->desc[at].addr, nasty(random), __ATOMIC_RELAXED);
	__atomic_store_n(&r->desc[at].len,
			 next_random(random) & 1 ? next_random(random) % 3000 : (u32)nasty(random),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&r->desc[at].options, next_random(random) & 3 ? 0 : next_random(random),
			 __ATOMIC_RELAXED);
}

static void scribble_index(u32 *index, u32 other, u64 *random)
{
	u32 r = next_random(random);

	store(index, r & 8 ? other + (r >> 8) % (2 * RING) : r & 16 ? r : other - (r >> 8) % RING);
}

static void *scribble(void *arg)
{
	struct app_ring *rings[] = {&app.fill, &app.comp, &app.rx, &app.tx};
	u64 random = 99;

	while (!__atomic_load_n(&quit, __ATOMIC_RELAXED)) {
		u32 which = next_random(&random) & 3, what = next_random(&random) & 15;
		struct app_ring *r = rings[which];

		if (what == 0)
			scribble_index(r->producer, load(r->consumer), &random);
		else if (what == 1)
			scribble_index(r->consumer, load(r->producer), &random);
		else if (what == 2)
			store(r->flags, next_random(&random));
		else
			scribble_entry(r, which >= 2, &random);
	}
	return NULL;
}

/* What the driver receives is in the UMEM, whatever the rings contain. */
static bool inside(const void *p, u64 n)
{
	return range_within((u64)((const char *)p - area.memory), n, area.size);
}

static void drive_receive(struct xsk_buff_pool *pool, u64 *random)
{
	struct xdp_buff *b[BATCH], *head = NULL;
	u32 n = xsk_buff_alloc_batch(pool, b, next_random(random) % (BATCH + 1));

	for (u32 i = 0; i < n; i++) {
		u32 len = next_random(random) % (pool->frame_len + 1);

		if (!inside(b[i]->data, pool->frame_len) || !inside(b[i]->data_hard_start, 1))
			went_wrong("a buffer outside of the UMEM");
		if (len && dmamap_bus_write(card.dev, xsk_buff_xdp_get_dma(b[i]), area.memory, len))
			went_wrong("an address that is not the UMEM's");
		xsk_buff_set_size(b[i], len);
		if (head && next_random(random) & 1 && xsk_buff_add_frag(head, b[i]))
			continue;
		if (head && xsk_rcv(card.dev, 0, head))
			xsk_buff_free(head);
		head = b[i];
	}
	if (head && xsk_rcv(card.dev, 0, head))
		xsk_buff_free(head);
	xsk_flush(card.dev, 0);
}

static void check_desc(struct xsk_buff_pool *pool, const struct xdp_desc *d)
{
	static char out[4096];

	if (!inside(xsk_buff_raw_get_data(pool, d->addr), d->len) || d->len > CHUNK)
		went_wrong("a descriptor outside of the UMEM");
	if (dmamap_bus_read(card.dev, xsk_buff_raw_get_dma(pool, d->addr), out, d->len))
		went_wrong("a descriptor outside of what is mapped");
}

static void drive_send(struct xsk_buff_pool *pool, u64 *random)
{
	struct xdp_desc d;
	u32 n = 0;

	if (next_random(random) & 1) {
		n = xsk_tx_peek_release_desc_batch(pool, next_random(random) % 100);
		for (u32 i = 0; i < n; i++)
			check_desc(pool, &pool->tx_descs[i]);
	} else {
		for (; n < 10 && xsk_tx_peek_desc(pool, &d); n++)
			check_desc(pool, &d);
		xsk_tx_release(pool);
	}
	xsk_tx_completed(pool, n);
	if (next_random(random) & 1) {
		xsk_set_tx_need_wakeup(pool);
		xsk_set_rx_need_wakeup(pool);
	} else {
		xsk_clear_tx_need_wakeup(pool);
		xsk_clear_rx_need_wakeup(pool);
	}
}

static void hostile(const char *spec, u32 flags, bool zc)
{
	u64 seconds = wanted("DMAMAP_XSK_SECONDS", 0), random = 5,
	    end = clock_ns() + seconds * NS_PER_S;
	pthread_t thread;

	card_open(spec, zc ? &card_zc : &card_copy);
	guarded_area(flags);
	app_open(&app, RING, RING, RING);
	assert_int_equal(
		xdp_sock_bind(app.xs, area.umem, card.dev, 0,
			      (zc ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_SG | XDP_USE_NEED_WAKEUP,
			      NULL),
		0);
	quit = false;
	start_thread(&thread, scribble, NULL);
	for (u64 i = 0; i < ROUNDS(6000) || clock_ns() < end; i++) {
		if (zc) {
			drive_receive(xsk_get_pool_from_qid(card.dev, 0), &random);
			drive_send(xsk_get_pool_from_qid(card.dev, 0), &random);
		} else {
			card_receive(0, area.memory, next_random(&random) % 9000);
			card.n_sent = 0;
			xdp_sock_wakeup(app.xs, XDP_WAKEUP_TX);
			xdp_sock_poll(app.xs);
		}
	}
	__atomic_store_n(&quit, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	no_trouble(spec);
	xdp_sock_destroy(app.xs);
	guarded_close();
	card_close();
}

static void test_hostile_application(void **state)
{
	hostile("sim", 0, true);
	hostile("sim", XDP_UMEM_UNALIGNED_CHUNK_FLAG, true);
	hostile("sim,iommu=0", XDP_UMEM_UNALIGNED_CHUNK_FLAG, true);
	hostile("sim", 0, false);
	hostile("sim", XDP_UMEM_UNALIGNED_CHUNK_FLAG, false);
}

/* The driver of the round trip: numbers what it receives, and expects the numbers back in order. */
static void *drive(void *arg)
{
	struct xsk_buff_pool *pool = xsk_get_pool_from_qid(card.dev, 0);
	u64 total = *(u64 *)arg, received = 0, sent = 0;
	struct xdp_buff *b[BATCH];

	while (sent < total && !__atomic_load_n(&trouble.count, __ATOMIC_RELAXED)) {
		u32 n = xsk_buff_alloc_batch(pool, b, BATCH);

		for (u32 i = 0; i < n; i++) {
			memcpy(b[i]->data, &received, sizeof(received));
			xsk_buff_set_size(b[i], sizeof(received));
			if (xsk_rcv(card.dev, 0, b[i]))
				xsk_buff_free(b[i]); /* no space: the next buffer has this number */
			else
				received++;
		}
		xsk_flush(card.dev, 0);
		u32 m = xsk_tx_peek_release_desc_batch(pool, BATCH);
		for (u32 i = 0; i < m; i++, sent++)
			if (memcmp(xsk_buff_raw_get_data(pool, pool->tx_descs[i].addr), &sent,
				   sizeof(sent)) != 0)
				went_wrong("a packet was lost, or came twice, at %llu",
					   (unsigned long long)sent);
		xsk_tx_completed(pool, m);
		if (!n && !m)
			sched_yield();
	}
	return NULL;
}

enum owner { APP, FILLED, SENT };

static void hand_over(enum owner *owner, u64 addr, enum owner from, enum owner to)
{
	u64 chunk = addr / CHUNK;

	if (chunk >= CHUNKS || owner[chunk] != from)
		went_wrong("chunk %llu is not where it should be", (unsigned long long)chunk);
	else
		owner[chunk] = to;
}

/*
 * One turn of the application: it sends what it received, and puts what was sent into the fill
 * ring.
 */
static u32 app_turn(enum owner *owner, u64 *received)
{
	u32 done = 0;

	while (app_waiting(&app.comp)) {
		u64 addr = app_take_addr(&app.comp);

		hand_over(owner, addr, SENT, FILLED);
		app_put_addr(&app.fill, addr & ~(u64)(CHUNK - 1));
		done++;
	}
	while (app_waiting(&app.rx) && app.tx.mine - load(app.tx.consumer) < RING) {
		struct xdp_desc d = app_take_desc(&app.rx);

		hand_over(owner, d.addr, FILLED, SENT);
		if (memcmp(area.memory + d.addr % area.size, received, sizeof(*received)) != 0)
			went_wrong("packet %llu is not there", (unsigned long long)*received);
		(*received)++;
		app_put_desc(&app.tx, d.addr, d.len, 0);
		done++;
	}
	return done;
}

static void test_none_lost_none_twice(void **state)
{
#if defined(BUILT_WITH_TSAN) || defined(BUILT_WITH_ASAN)
	u64 usual = 200000;
#else
	u64 usual = 2000000;
#endif
	u64 total = wanted("DMAMAP_XSK_BUFFERS", usual), received = 0;
	enum owner owner[CHUNKS] = {APP};
	pthread_t thread;

	card_open("sim", &card_zc);
	area_open(&area, CHUNKS, 0, 0);
	memset(&app, 0, sizeof(app));
	app_open(&app, CHUNKS, RING, RING);
	assert_int_equal(xdp_sock_bind(app.xs, area.umem, card.dev, 0, XDP_ZEROCOPY, NULL), 0);
	for (u32 i = 0; i < CHUNKS; i++) {
		owner[i] = FILLED;
		app_put_addr(&app.fill, (u64)i * CHUNK);
	}
	start_thread(&thread, drive, &total);
	while (received < total && !__atomic_load_n(&trouble.count, __ATOMIC_RELAXED))
		if (!app_turn(owner, &received))
			sched_yield();
	pthread_join(thread, NULL);
	no_trouble("round");
	assert_int_equal(app_stats(&app).rx_invalid_descs + app_stats(&app).tx_invalid_descs, 0);
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
}

/*
 * A driver begins to sleep in its own thread while a second socket is bound to the queue. After
 * both, the flag of the new TX ring must be set; otherwise its application never wakes the driver.
 */
static u32 go, asleep; /* atomic: the round to begin, the complete round; UINT32_MAX: end */

static void *fall_asleep(void *arg)
{
	struct xsk_buff_pool *pool = arg;

	for (u32 round = 1;; round++) {
		u32 now;

		while ((now = load(&go)) != round && now != UINT32_MAX)
			; /* no yield: it must begin at once */
		if (now == UINT32_MAX)
			return NULL;
		for (u32 i = round % 40; i; i--) {
			xsk_set_tx_need_wakeup(pool);
			xsk_clear_tx_need_wakeup(pool);
		}
		xsk_set_tx_need_wakeup(pool);
		store(&asleep, round);
	}
}

static void test_joins_as_driver_sleeps(void **state)
{
	u32 rounds = ROUNDS(4000);
	pthread_t thread;

	store(&go, 0);
	store(&asleep, 0);
	card_open("sim", &card_zc);
	area_open(&area, CHUNKS, 0, 0);
	app_open(&app, RING, RING, RING);
	assert_int_equal(xdp_sock_bind(app.xs, area.umem, card.dev, 0,
				       XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP, NULL),
			 0);
	start_thread(&thread, fall_asleep, xsk_get_pool_from_qid(card.dev, 0));
	for (u32 round = 1; round <= rounds; round++) {
		struct app joins;

		app_open(&joins, 0, 0, RING);
		xsk_clear_tx_need_wakeup(xsk_get_pool_from_qid(card.dev, 0));
		store(&go, round);
		assert_int_equal(
			xdp_sock_bind(joins.xs, NULL, card.dev, 0, XDP_SHARED_UMEM, app.xs), 0);
		while (load(&asleep) != round)
			sched_yield();
		if (!(load(joins.tx.flags) & XDP_RING_NEED_WAKEUP) ||
		    !(load(app.tx.flags) & XDP_RING_NEED_WAKEUP))
			went_wrong("round %u: the driver sleeps, and a TX ring does not say so",
				   round);
		xdp_sock_destroy(joins.xs);
	}
	store(&go, UINT32_MAX);
	pthread_join(thread, NULL);
	no_trouble("joining");
	xdp_sock_destroy(app.xs);
	area_close(&area);
	card_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joins_as_driver_sleeps),
		cmocka_unit_test(test_hostile_application),
		cmocka_unit_test(test_none_lost_none_twice),
	};

	return cmocka_run_group_tests_name("stress_xsk", tests, NULL, NULL);
}
