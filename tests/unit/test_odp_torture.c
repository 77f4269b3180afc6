/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generation numbers: threads replace memory under a region by every possible call, and each time
 * write the next number into it; devices read and write all the time. A device that reads a number
 * older than the one that was there before its access began has accessed memory that was unmapped;
 * a device whose write is not in the memory afterwards has written to such memory.
 *
 * DMAMAP_TORTURE_SECONDS=60 runs longer.
 */
#include "odp_rig.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SLOTS	 12ul
#define MUTATORS 2
#define DEVICES	 2

static struct slot {
	u64 state; /* atomic: 2 * generation, + 1 while it is being replaced */
} slot[SLOTS];

static u8 *p, *spares;
static struct ib_umem *umem;
static dma_addr_t base;
static bool stop;
static u64 reads, writes, changes, forks;

#define load(x)	    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define store(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define count(x)    __atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)

static u32 rnd(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (u32)(*seed >> 11);
}

static __attribute__((noreturn)) void stale(const char *what, u64 i, u64 saw, u64 before, u64 after)
{
	fprintf(stderr, "stale: %s of page %llu: %llu, states %llu to %llu\n", what,
		(unsigned long long)i, (unsigned long long)saw, (unsigned long long)before,
		(unsigned long long)after);
	abort();
}

/* The program's own access, for which the page may be missing. */
static bool peek(const void *at, u64 *word)
{
	struct iovec local = {word, 8}, hw = {(void *)(uintptr_t)at, 8};

	return syscall(SYS_process_vm_readv, getpid(), &local, 1, &hw, 1, 0) == 8;
}

static void poke(void *at, u64 word)
{
	struct iovec local = {&word, 8}, hw = {at, 8};

	if (syscall(SYS_process_vm_writev, getpid(), &local, 1, &hw, 1, 0) != 8)
		abort();
}

/*
 * All at fixed addresses: a mapping at an address that the kernel selects might be in the hole that
 * another thread has just made. `spare` is a page of the thread's own.
 */
static void replace(u8 *page, u8 *spare, u32 how)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	switch (how % 5) {
	case 0:
		mmap(page, PAGE, prot, flags, -1, 0);
		break;
	case 1:
		munmap(page, PAGE);
		mmap(page, PAGE, prot, flags, -1, 0);
		break;
	case 2:
		madvise(page, PAGE, MADV_DONTNEED);
		break;
	case 3:
		if (mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page) != page)
			abort();
		mmap(spare, PAGE, prot, flags, -1, 0);
		break;
	default:
		if (mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, spare) != spare)
			abort();
		mmap(page, PAGE, prot, flags, -1, 0);
		mmap(spare, PAGE, prot, flags, -1, 0);
	}
}

static void *mutate(void *arg)
{
	u64 me = (u64)(uintptr_t)arg, seed = 77 + me, i, gen;
	u8 *spare = spares + me * PAGE;

	while (!load(stop)) {
		i = rnd(&seed) % (SLOTS / MUTATORS) * MUTATORS + me;
		gen = load(slot[i].state) / 2 + 1;
		store(slot[i].state, 2 * gen - 1);
		replace(p + i * PAGE, spare, rnd(&seed));
		poke(p + i * PAGE, gen);
		store(slot[i].state, 2 * gen);
		count(changes);
		if (rnd(&seed) % 4 == 0)
			usleep(rnd(&seed) % 300);
	}
	return NULL;
}

static void device_read(u64 i)
{
	u64 before = load(slot[i].state), word = ~0ull, after;
	int err = dmamap_bus_read(dev, base + i * PAGE, &word, 8);

	after = load(slot[i].state);
	if (before == after && !(before & 1)) {
		if (err || word != before / 2)
			stale("read", i, err ? 0 : word, before, after);
	} else if (!err && word && (word < before / 2 || word > after / 2 + 1)) {
		stale("racing read", i, word, before, after);
	}
	count(reads);
}

/* Each device has its own word in the page. */
static void device_write(u64 me, u64 i, u64 value)
{
	u64 before = load(slot[i].state), word = 0, after;
	u8 *at = p + i * PAGE + 64 + 8 * me;
	int err = dmamap_bus_write(dev, base + (u64)(at - p), &value, 8);
	bool there = peek(at, &word);

	after = load(slot[i].state);
	if (before == after && !(before & 1) && (err || !there || word != value))
		stale("write", i, word, before, after);
	count(writes);
}

static void *act(void *arg)
{
	u64 me = (u64)(uintptr_t)arg, seed = 991 + me, value = 0;

	while (!load(stop)) {
		device_read(rnd(&seed) % SLOTS);
		device_write(me, rnd(&seed) % SLOTS, ++value);
	}
	return NULL;
}

static void *fork_now_and_then(void *arg)
{
	while (!load(stop)) {
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			munmap(p, PAGE);
			child_done();
		}
		if (pid > 0) {
			if (!child_was_done(pid))
				abort();
			count(forks);
		}
		usleep(5000);
	}
	return NULL;
}

static void torture(void **state)
{
	const char *text = getenv("DMAMAP_TORTURE_SECONDS");
	unsigned int seconds = text ? (unsigned int)atoi(text) : 1;
	pthread_t t[MUTATORS + DEVICES + 1];
	int n = 0;

	open_rig("sim");
	p = memory(SLOTS);
	spares = memory(MUTATORS);
	umem = region(p, SLOTS * PAGE, ALL_ACCESS);
	base = ib_umem_start_dma_addr(umem);
	for (u64 i = 0; i < MUTATORS; i++)
		pthread_create(&t[n++], NULL, mutate, (void *)i);
	for (u64 i = 0; i < DEVICES; i++)
		pthread_create(&t[n++], NULL, act, (void *)i);
	pthread_create(&t[n++], NULL, fork_now_and_then, NULL);
	sleep(seconds);
	store(stop, true);
	while (n)
		pthread_join(t[--n], NULL);
	assert_true(reads && writes && changes && forks);
	print_message("# %llu reads, %llu writes, %llu changes, %llu forks\n",
		      (unsigned long long)reads, (unsigned long long)writes,
		      (unsigned long long)changes, (unsigned long long)forks);
	ib_umem_release(umem);
	munmap(p, SLOTS * PAGE);
	munmap(spares, MUTATORS * PAGE);
	close_rig();
}

/* Regions are created and freed while devices fault in them. */
static struct ib_umem *shared[4];
static dma_addr_t shared_base[4];

static void *fault_forever(void *arg)
{
	u64 seed = 5 + (u64)(uintptr_t)arg, word;

	while (!load(stop)) {
		dma_addr_t at = load(shared_base[rnd(&seed) % 4]);

		if (at)
			dmamap_bus_read(dev, at + rnd(&seed) % 8 * PAGE, &word, 8);
	}
	return NULL;
}

static void regions_freed_while_faults_run(void **state)
{
	u64 seed = 3, until = now_ns() + 5 * SECOND; /* of slow tools */
	pthread_t t[2];

	open_rig("sim");
	stop = false;
	p = memory(8);
	for (u64 i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, fault_forever, (void *)i);
	for (int i = 0; i < 400 && now_ns() < until; i++) {
		u64 k = rnd(&seed) % 4;

		if (shared[k]) {
			ib_umem_release(shared[k]);
			shared[k] = NULL;
		} else {
			shared[k] = region(p, 8 * PAGE, ALL_ACCESS);
			store(shared_base[k], ib_umem_start_dma_addr(shared[k]));
		}
		if (i % 8 == 0)
			madvise(p, 8 * PAGE, MADV_DONTNEED);
	}
	store(stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		ib_umem_release(shared[i]);
	munmap(p, 8 * PAGE);
	close_rig();
}

static void count_report(const struct dmamap_report *r, void *arg)
{
	if (!__atomic_fetch_add((int *)arg, 1, __ATOMIC_SEQ_CST))
		print_message("# %s\n", r->text);
}

/*
 * Pages are mapped and unmapped, the memory stays: no access is wrong, and the checker reports
 * nothing.
 */
static void checked_while_pages_come_and_go(void **state)
{
	u64 seed = 9, until = now_ns() + 5 * SECOND;
	int reports = 0;
	pthread_t t[2];

	open_rig("sim,check=1");
	dmamap_check_on_report(count_report, &reports);
	stop = false;
	p = memory(8);
	shared[0] = region(p, 8 * PAGE, ALL_ACCESS);
	for (u64 i = 0; i < 4; i++)
		store(shared_base[i], ib_umem_start_dma_addr(shared[0]));
	for (u64 i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, fault_forever, (void *)i);
	for (int i = 0; i < 20000 && now_ns() < until; i++) {
		u64 at = (u64)p + rnd(&seed) % 8 * PAGE;

		ib_umem_odp_unmap_dma_pages(shared[0], at, at + PAGE);
	}
	store(stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(load(reports), 0);
	ib_umem_release(shared[0]);
	munmap(p, 8 * PAGE);
	close_rig();
	dmamap_check_on_report(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(torture),
		cmocka_unit_test(regions_freed_while_faults_run),
		cmocka_unit_test(checked_while_pages_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
