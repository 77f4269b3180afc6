/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets on the network card, zero-copy and copying: capture files, two connected cards, sockets
 * that are created and destroyed during traffic.
 */
#include "net_rig.h"

#include <errno.h>

#define PACKETS 700u

static const u16 modes[] = {XDP_ZEROCOPY, XDP_COPY};
static const char *const ways[] = {
	"",
	",iommu=0",
	",policy=lazy",
	",policy=identity",
	",untrusted=1",
#ifndef BUILT_WITH_TSAN /* it does not know that coherent memory is one page at two addresses then \
			 */
	",coherent=0",
	",iommu=0,coherent=0",
#endif
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct files {
	char in[64], out[64];
};

static void make_path(char *path)
{
	strcpy(path, "/tmp/dmamap-net-XXXXXX");
	close(mkstemp(path));
}

/* A capture file of PACKETS frames. */
static void files_make(struct files *f)
{
	u32 header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1}, record[4] = {0};
	u8 frame[1600];
	FILE *to;

	make_path(f->in);
	make_path(f->out);
	to = fopen(f->in, "wb");
	assert_non_null(to);
	fwrite(header, sizeof(header), 1, to);
	for (u32 i = 0; i < PACKETS; i++) {
		record[2] = record[3] = frame_of(frame, i);
		fwrite(record, sizeof(record), 1, to);
		fwrite(frame, record[2], 1, to);
	}
	assert_int_equal(fclose(to), 0);
}

/* The output has the same packets in the same order. */
static void files_compare(struct files *f)
{
	u32 header[6], record[4], n = 0;
	FILE *from = fopen(f->out, "rb");
	u8 frame[1600];

	assert_non_null(from);
	assert_int_equal(fread(header, sizeof(header), 1, from), 1);
	for (; fread(record, sizeof(record), 1, from) == 1; n++) {
		assert_true(record[2] <= sizeof(frame));
		assert_int_equal(fread(frame, record[2], 1, from), 1);
		assert_frame(frame, record[2], n);
	}
	assert_int_equal(n, PACKETS);
	fclose(from);
	unlink(f->in);
	unlink(f->out);
}

/* The application's turn of a forwarder. */
static u32 forward(struct net_sock *s)
{
	u32 n = net_ring_ready(&s->rx, 32), i;

	n = net_ring_room(&s->tx, n);
	for (i = 0; i < n; i++)
		*net_ring_desc(&s->tx, i) = *net_ring_desc(&s->rx, i);
	if (n) {
		net_ring_produce(&s->tx, n);
		net_ring_consume(&s->rx, n);
	}
	sock_reap(s);
	if (s->at_hand > NET_CHUNKS / 2)
		sock_fill(s, s->at_hand - NET_CHUNKS / 2);
	return n;
}

/*
 * A file is received, passes through an application, and is sent: identical on every mapping path.
 */
static void test_forward_file(void **state)
{
	struct net_card c;
	struct net_sock s;
	struct files f;
	char spec[256];
	u32 n;

	for (size_t w = 0; w < 2 * WAYS; w++) {
		files_make(&f);
		snprintf(spec, sizeof(spec), "sim:e1000e,pcap-in=%s,pcap-out=%s%s", f.in, f.out,
			 ways[w / 2]);
		card_up(&c, spec, NULL);
		sock_memory(&s);
		sock_open(&s, &c, modes[w & 1]);
		assert_int_equal(e1000e_zero_copy(c.nic), modes[w & 1] == XDP_ZEROCOPY);
		assert_int_equal(e1000e_start(c.nic), 0);
		for (n = 0;
		     n < PACKETS || e1000e_in_flight(c.nic) || s.tx.head != *s.tx.consumer;) {
			card_turn(&c);
			n += forward(&s);
			if (modes[w & 1] == XDP_COPY)
				xdp_sock_wakeup(s.xs, XDP_WAKEUP_TX);
		}
		sock_close(&s);
		sock_memory_gone(&s);
		card_down(&c);
		assert_int_equal(mem_pages_used(), 0);
		files_compare(&f);
	}
}

static void pair_up(struct net_card c[2], struct net_sock s[2], u16 mode)
{
	for (int i = 0; i < 2; i++) {
		card_up(&c[i], "sim:e1000e,wire=pair:xsk", NULL);
		sock_memory(&s[i]);
		sock_open(&s[i], &c[i], mode);
		assert_int_equal(e1000e_start(c[i].nic), 0);
	}
	while (!e1000e_link(c[0].nic) || !e1000e_link(c[1].nic))
		sched_yield();
}

static void pair_down(struct net_card c[2], struct net_sock s[2])
{
	for (int i = 0; i < 2; i++) {
		sock_close(&s[i]);
		sock_memory_gone(&s[i]);
		card_down(&c[i]);
	}
	assert_int_equal(mem_pages_used(), 0);
}

/* In both directions at once between two cards. */
static void test_twins(void **state)
{
	u32 sent[2], got[2], i, k, len;
	struct net_card c[2];
	struct net_sock s[2];
	const u8 *seen;
	u8 frame[1600];

	for (size_t m = 0; m < 2; m++) {
		pair_up(c, s, modes[m]);
		memset(sent, 0, sizeof(sent));
		memset(got, 0, sizeof(got));
		while (got[0] < PACKETS || got[1] < PACKETS) {
			for (i = 0; i < 2; i++) {
				for (k = 0; k < 8 && sent[i] < PACKETS; k++) {
					len = frame_of(frame, sent[i]);
					if (!sock_send(&s[i], frame, len))
						break;
					sent[i]++;
				}
				if (modes[m] == XDP_COPY)
					xdp_sock_wakeup(s[i].xs, XDP_WAKEUP_TX);
				card_turn(&c[i]);
				while ((len = sock_receive(&s[i], &seen)) > 0)
					assert_frame(seen, len, got[i]++);
				sock_reap(&s[i]);
			}
		}
		pair_down(c, s);
	}
}

/* Every chunk that was sent is completed exactly once, also when the link is lost in the middle. */
static void test_link_goes(void **state)
{
	bool seen[NET_CHUNKS] = {false};
	struct net_card c[2];
	struct net_sock s[2];
	u8 frame[60] = {2};
	u32 i;

	pair_up(c, s, XDP_ZEROCOPY);
	for (i = 0; i < NET_CHUNKS / 2; i++) {
		assert_true(sock_send(&s[0], frame, sizeof(frame)));
		if (i == 60) {
			card_turn(&c[0]);
			sock_close(&s[1]);
			sock_memory_gone(&s[1]);
			card_down(&c[1]);
		}
	}
	while (e1000e_link(c[0].nic))
		sched_yield();
	for (i = 0; i < 50; i++)
		card_turn(&c[0]);
	assert_int_equal(e1000e_stop(c[0].nic), 0); /* the card's part is returned with this */
	sock_reap(&s[0]);
	for (i = 0; i < s[0].at_hand; i++) {
		assert_false(seen[s[0].chunk[i] / NET_CHUNK]);
		seen[s[0].chunk[i] / NET_CHUNK] = true;
	}
	assert_true(s[0].at_hand + (s[0].tx.head - *s[0].tx.consumer) == NET_CHUNKS / 2);
	sock_close(&s[0]);
	sock_memory_gone(&s[0]);
	card_down(&c[0]);
	assert_int_equal(mem_pages_used(), 0);
}

/* Sockets are created and destroyed, in both modes, while packets arrive and leave. */
static void test_rebind(void **state)
{
	struct net_card c[2];
	struct net_sock s[2];
	u32 i, k, n, got = 0;
	const u8 *seen;
	u8 frame[60] = {2};

	pair_up(c, s, XDP_ZEROCOPY);
	for (i = 0; i < 12; i++) {
		for (k = 0; k < 40; k++)
			sock_send(&s[0], frame, sizeof(frame));
		for (k = 0; k < 5; k++) {
			card_turn(&c[0]);
			card_turn(&c[1]);
		}
		sock_reap(&s[0]);
		sock_close(&s[1]);
		sock_memory_gone(&s[1]);
		card_turn(&c[1]);
		sock_memory(&s[1]);
		sock_open(&s[1], &c[1], modes[i & 1]);
		for (n = 0, k = 0; k < 200000 && !n; k++) {
			sock_send(&s[0], frame, sizeof(frame));
			card_turn(&c[0]);
			card_turn(&c[1]);
			n = sock_receive(&s[1], &seen);
			sock_reap(&s[0]);
		}
		assert_int_equal(n, sizeof(frame));
		got++;
	}
	assert_int_equal(got, 12);
	pair_down(c, s);
}

/* The same while both drivers run in their own threads, as fast as possible. */
static void test_defect_races_at_teardown(void **state)
{
	struct net_card c[2];
	struct net_sock s[2];
	u32 i, n;
	const u8 *seen;
	u8 frame[60] = {2};

	pair_up(c, s, XDP_ZEROCOPY);
	assert_int_equal(e1000e_serve(c[0].nic, true), 0);
	assert_int_equal(e1000e_serve(c[1].nic, true), 0);
	for (i = 0; i < 24; i++) {
		do {
			sock_send(&s[0], frame, sizeof(frame));
			sock_reap(&s[0]);
			n = sock_receive(&s[1], &seen);
			sched_yield();
		} while (!n);
		assert_int_equal(n, sizeof(frame));
		while (sock_send(&s[1], frame, sizeof(frame)))
			;
		sock_close(&s[1]);
		sock_memory_gone(&s[1]);
		sock_memory(&s[1]);
		sock_open(&s[1], &c[1], i & 4 ? XDP_COPY : XDP_ZEROCOPY);
	}
	pair_down(c, s);
}

/* The card is removed under load, at any moment: all chunks are returned. */
static void test_unplug(void **state)
{
	char spec[128];
	struct files f;
	struct net_card c;
	struct net_sock s;
	int n;

	files_make(&f);
	for (u32 i = 0; i < 10; i++) {
		snprintf(spec, sizeof(spec), "sim:e1000e,pcap-in=%s,loop=0,unplug=%u", f.in,
			 1 + i * 333);
		card_up(&c, spec, NULL);
		sock_memory(&s);
		sock_open(&s, &c, modes[i & 1]);
		assert_int_equal(e1000e_start(c.nic), 0);
		do {
			n = e1000e_poll(c.nic, NET_BUDGET);
			forward(&s);
			if (modes[i & 1] == XDP_COPY)
				xdp_sock_wakeup(s.xs, XDP_WAKEUP_TX);
		} while (n >= 0);
		if (i & 2)
			sock_close(&s); /* in either order */
		card_down(&c);
		sock_close(&s);
		sock_memory_gone(&s);
		assert_int_equal(mem_pages_used(), 0);
	}
	unlink(f.in);
	unlink(f.out);
}

/* The socket as well as the card wakes a driver that sleeps. */
static void test_wakeup(void **state)
{
	struct net_card c[2];
	struct net_sock s[2];
	const u8 *seen;
	u8 frame[60] = {2};
	u32 got = 0;

	pair_up(c, s, XDP_ZEROCOPY);
	assert_int_equal(e1000e_serve(c[0].nic, false), 0);
	assert_int_equal(e1000e_serve(c[1].nic, false), 0);
	while (got < 50) {
		if (sock_send(&s[0], frame, sizeof(frame)))
			assert_int_equal(xdp_sock_wakeup(s[0].xs, XDP_WAKEUP_TX), 0);
		while (sock_receive(&s[1], &seen))
			got++;
		sock_reap(&s[0]);
		sched_yield();
	}
	pair_down(c, s);
}

/*
 * Memory that cannot be mapped for the card: no zero-copy, but copying where the socket permits it.
 */
static void test_no_mapping(void **state)
{
	struct fail_rule always = {.every = 1};
	struct net_sock s;
	struct net_card c;

	card_started(&c, "sim:e1000e", NULL);
	sock_memory(&s);
	s.xs = xdp_sock_create();
	ring_map(s.xs, XDP_RX_RING, &s.rx);
	ring_map(s.xs, XDP_UMEM_FILL_RING, &s.fill);
	ring_map(s.xs, XDP_UMEM_COMPLETION_RING, &s.done);
	fail_set(FAIL_MAP, &always);
	assert_int_equal(xdp_sock_bind(s.xs, s.umem, c.dev, 0, XDP_ZEROCOPY, NULL), -ENOMEM);
	assert_int_equal(xdp_sock_bind(s.xs, s.umem, c.dev, 0, 0, NULL), 0);
	fail_set(FAIL_MAP, NULL);
	assert_false(e1000e_zero_copy(c.nic));
	sock_close(&s);
	sock_memory_gone(&s);
	card_down(&c);
	assert_int_equal(mem_pages_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward_file),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_link_goes),
		cmocka_unit_test(test_rebind),
		cmocka_unit_test(test_defect_races_at_teardown),
		cmocka_unit_test(test_unplug),
		cmocka_unit_test(test_wakeup),
		cmocka_unit_test(test_no_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
