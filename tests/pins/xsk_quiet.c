/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The busy loop of a driver and its application: no packet causes a system call, an allocation or a
 * mapping. The doorbell of a card that sleeps is a futex call, of which few are permitted.
 */
#include "unit/net_rig.h"

#include "quiet.h"

#define PACKETS 100000u

/*
 * The first part of the loop is not counted: it accesses pages for the first time and registers
 * threads.
 */
static void count_from(u64 done, struct device *dev, bool *counting)
{
	struct dmamap_stats st = {.size = sizeof(st)};

	if (*counting || done < PACKETS / 10)
		return;
	dmamap_stats(dev, &st);
	quiet->maps = st.maps;
	*counting = quiet->possible = quiet_begin();
	if (!*counting)
		_exit(0);
	quiet_counting = true;
}

static void count_to(struct device *dev)
{
	struct dmamap_stats st = {.size = sizeof(st)};

	quiet_counting = false;
	dmamap_stats(dev, &st);
	quiet->maps = st.maps - quiet->maps;
	quiet->packets = PACKETS - PACKETS / 10;
}

/* An endless file is received by the card, passes through driver and application, and is sent. */
static void forward(const char *spec)
{
	bool counting = false;
	struct net_card c;
	struct net_sock s;
	u64 n = 0;
	u32 k;

	card_up(&c, spec, NULL);
	sock_memory(&s);
	sock_open(&s, &c, XDP_ZEROCOPY);
	e1000e_start(c.nic);
	while (n < PACKETS) {
		int moved = e1000e_poll(c.nic, NET_BUDGET);

		if (moved < 0) {
			snprintf(quiet->error, sizeof(quiet->error), "the card is gone");
			return;
		}
		k = net_ring_room(&s.tx, net_ring_ready(&s.rx, 32));
		for (u32 i = 0; i < k; i++)
			*net_ring_desc(&s.tx, i) = *net_ring_desc(&s.rx, i);
		if (k) {
			net_ring_produce(&s.tx, k);
			net_ring_consume(&s.rx, k);
		}
		sock_reap(&s);
		if (s.at_hand > NET_CHUNKS / 2)
			sock_fill(&s, s.at_hand - NET_CHUNKS / 2);
		n += k;
		count_from(n, c.dev, &counting);
		if (!moved && !k)
			sched_yield();
	}
	count_to(c.dev);
}

static void make_file(char *path)
{
	u32 header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1}, record[4] = {0, 0, 60, 60};
	u8 frame[60] = {2, 0, 0, 0, 0, 1, 2};
	FILE *f;

	strcpy(path, "/tmp/dmamap-quiet-XXXXXX");
	f = fdopen(mkstemp(path), "wb");
	assert_non_null(f);
	fwrite(header, sizeof(header), 1, f);
	for (u32 i = 0; i < 1000; i++) {
		fwrite(record, sizeof(record), 1, f);
		fwrite(frame, sizeof(frame), 1, f);
	}
	assert_int_equal(fclose(f), 0);
}

static void test_forward(void **state)
{
	static const char *const keys[] = {"", ",iommu=0", ",policy=identity", ",coherent=0"};
	char path[64], spec[160];

	make_file(path);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(spec, sizeof(spec), "sim:e1000e,pcap-in=%s,loop=0,pcap-out=/dev/null%s",
			 path, keys[i]);
		quiet_run(forward, spec);
		if (!quiet->possible)
			break;
		if (quiet->calls)
			fail_msg("%s: %llu system calls for %llu packets; the first is number %ld",
				 spec, (unsigned long long)quiet->calls,
				 (unsigned long long)quiet->packets, quiet->first_call);
		assert_in_range(quiet->wakes, 0, quiet->packets / 8);
		assert_int_equal(quiet->allocations, 0);
		assert_int_equal(quiet->maps, 0);
		assert_int_equal(quiet->packets, PACKETS - PACKETS / 10);
	}
	unlink(path);
	if (!quiet->possible)
		skip();
}

/* The counters work: each of these calls is counted once. */
static void misbehave(const char *spec)
{
	quiet->possible = quiet_begin();
	if (!quiet->possible)
		_exit(0);
	quiet_counting = true;
	free(malloc(10));
	free(calloc(1, 10));
	syscall(SYS_getppid);
	quiet_counting = false;
	if (syscall(SYS_getppid) != getppid())
		snprintf(quiet->error, sizeof(quiet->error),
			 "a call that was counted did not happen");
}

static void test_counters_count(void **state)
{
	quiet_run(misbehave, "");
	if (!quiet->possible)
		skip();
	assert_int_equal(quiet->calls, 1);
	assert_int_equal(quiet->first_call, SYS_getppid);
	assert_int_equal(quiet->allocations, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_count),
		cmocka_unit_test(test_forward),
	};

	return cmocka_run_group_tests_name("xsk_quiet", tests, NULL, NULL);
}
