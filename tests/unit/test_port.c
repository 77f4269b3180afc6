/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: after an invalidation no access uses the old translation. The page table of this test is
 * one word, so that threads access it concurrently as often as possible.
 */
#include "core_rig.h"

#include "iotlb/port.h"

#include <pthread.h>
#include <sched.h>

static struct ports ports;

static bool has(struct port *p, u64 page)
{
	return iotlb_lookup(&p->tlb, page, p->tlb.gen) != 0;
}

static bool has_any(struct port *p, u64 page, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		if (has(p, page + i))
			return true;
	return false;
}

static int setup(void **state)
{
	memset(&ports, 0, sizeof(ports));
	return 0;
}

static int teardown(void **state)
{
	rig_fail_none();
	ports_fini(&ports);
	return 0;
}

static void test_ports_are_used_again(void **state)
{
	struct port *a = port_get(&ports), *b = port_get(&ports), *c;

	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	iotlb_fill(&a->tlb, 3, a->tlb.gen, 0x3001);
	a->hits = 9;
	port_put(&ports, a);
	c = port_get(&ports);
	assert_ptr_equal(a, c);
	/* and begin empty */
	assert_int_equal(iotlb_lookup(&c->tlb, 3, c->tlb.gen), 0);
	assert_int_equal(c->hits, 0);
	port_put(&ports, b);
	port_put(&ports, c);
}

static unsigned int listed(void)
{
	unsigned int n = 0;

	for (struct port *p = ports.all; p; p = p->next)
		n++;
	return n;
}

static void test_a_port_that_is_given_back_is_walked_no_more(void **state)
{
	enum { N = 50 };
	struct port *p[N];

	for (int i = 0; i < N; i++)
		p[i] = port_get(&ports);
	assert_int_equal(listed(), N);
	/* from the middle, the head and the tail; the others are still linked */
	for (int i = 0; i < N; i += 2)
		port_put(&ports, p[(i + N / 2) % N]);
	assert_int_equal(listed(), N / 2);
	for (int i = 0; i < N; i += 2)
		iotlb_fill(&p[i]->tlb, 3, p[i]->tlb.gen, 0x3001);
	ports_invalidate(&ports, 3, 1);
	for (int i = 0; i < N; i += 2)
		assert_false(has(p[i], 3));
	for (int i = 0; i < N; i += 2)
		port_put(&ports, p[i]);
	assert_int_equal(listed(), 0);
	/* none is created while there are unused ones */
	rig_fail(FAIL_MEMORY, 1);
	for (int i = 0; i < N; i++)
		assert_non_null(port_get(&ports));
	rig_fail_none();
	assert_int_equal(listed(), N);
}

/* A walker may be at a port while it is unlinked: the ports after it are still reached. */
static void test_an_unused_port_leads_on(void **state)
{
	struct port *last = port_get(&ports), *second = port_get(&ports), *first = port_get(&ports),
		    *p;

	port_put(&ports, first);
	assert_ptr_equal(first->next, second);
	port_put(&ports, second);
	for (p = first; p && p != last; p = p->next)
		;
	assert_ptr_equal(p, last);
	/* one that is reused leads to the whole list */
	assert_ptr_equal(port_get(&ports), second);
	for (p = second; p && p != last; p = p->next)
		;
	assert_ptr_equal(p, last);
}

static void test_no_memory(void **state)
{
	rig_fail(FAIL_MEMORY, 1);
	assert_null(port_get(&ports));
	rig_fail_none();
	assert_null(ports.all);
}

static void test_enter_and_exit(void **state)
{
	struct port *p = port_get(&ports);
	u64 before = p->active;

	assert_int_equal(before & 1, 0);
	assert_int_equal(port_enter(p), p->tlb.gen);
	assert_int_equal(p->active & 1, 1);
	port_exit(p);
	assert_int_equal(p->active, before + 2);
	ports_wait(&ports); /* no thread is in it */
}

static void test_each_form_of_invalidation(void **state)
{
	struct port *p = port_get(&ports), *q = port_get(&ports);
	u64 flushes = ports.flushes;

	for (u64 page = 100; page < 1200; page++) {
		iotlb_fill(&p->tlb, page, p->tlb.gen, page << 12 | 1);
		iotlb_fill(&q->tlb, page, q->tlb.gen, page << 12 | 1);
	}
	ports_invalidate(&ports, 100, 1);
	assert_false(has(p, 100) || has(q, 100));
	assert_true(has(p, 101) && has(q, 101));
	ports_invalidate(&ports, 101, PORTS_INVALIDATE_MAX);
	assert_false(has_any(p, 101, PORTS_INVALIDATE_MAX) ||
		     has_any(q, 101, PORTS_INVALIDATE_MAX));
	assert_true(has(p, 101 + PORTS_INVALIDATE_MAX));
	assert_int_equal(ports.flushes, flushes);
	ports_invalidate(&ports, 700, PORTS_INVALIDATE_MAX + 1);
	assert_int_equal(ports.flushes, flushes + 1);
	assert_int_equal(iotlb_lookup(&p->tlb, 1190, p->tlb.gen), 0);
	ports_flush(&ports);
	assert_int_equal(ports.flushes, flushes + 2);
}

static void *flush(void *arg)
{
	ports_flush(&ports);
	return NULL;
}

/*
 * An access that began in the last generation fills the cache after the flush that wraps has
 * emptied it. Its line must not be found when the number of that generation is used again.
 */
static void test_an_access_across_the_wrap(void **state)
{
	struct port *p = port_get(&ports);
	pthread_t t;
	u32 gen;

	p->tlb.gen = IOTLB_GEN_MAX;
	gen = (u32)port_enter(p);
	assert_int_equal(pthread_create(&t, NULL, flush, NULL), 0);
	while (read_once(&p->tlb.gen) == IOTLB_GEN_MAX)
		sched_yield();
	iotlb_fill(&p->tlb, 9, gen, 0x9001);
	port_exit(p);
	pthread_join(t, NULL);
	assert_int_equal(p->tlb.gen, 1);
	assert_int_equal(iotlb_lookup(&p->tlb, 9, IOTLB_GEN_MAX), 0);
	for (u32 i = 0; i < IOTLB_LINES; i++)
		assert_int_equal(p->tlb.line[i].tag, 0);
}

/*
 * One page, mapped to a cell or to none. The cell's owner unmaps, invalidates, and then marks the
 * cell closed; no access may reach a closed cell. Accesses are as short as possible, so that a
 * whole one may occur between any two steps of the invalidation.
 */
enum { PAGE = 77 };

struct cell {
	u64 closed cacheline; /* atomic */
};

static struct cell cells[64];
static u64 table cacheline; /* atomic: 1 + the cell's number << 12; 0: not mapped */
static u32 stop, violations;
static u64 walks;

static void access_once(struct port *p, u32 alias)
{
	u32 gen = (u32)port_enter(p);
	u64 value = iotlb_lookup(&p->tlb, PAGE, gen);

	if (!value) {
		value = read_acquire(&table);
		if (value)
			iotlb_fill(&p->tlb, PAGE, gen, value);
	}
	if (value && __atomic_load_n(&cells[value >> 12].closed, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&violations, 1, __ATOMIC_RELAXED);
	/* the same line for another page: the tag is replaced while the access still runs */
	if (alias)
		iotlb_fill(&p->tlb, PAGE + IOTLB_LINES, gen, 0x1001);
	if (value && __atomic_load_n(&cells[value >> 12].closed, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&violations, 1, __ATOMIC_RELAXED);
	port_exit(p);
}

static void *work(void *arg)
{
	struct port *p = port_get(&ports);
	u64 n = 0;

	while (p && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		access_once(p, !(n & 7));
		/*
		 * a worker that is preempted in an access is waited for: in most cases it should be
		 * elsewhere
		 */
		for (u64 i = n * 5 % 32; i; i--)
			cpu_relax();
		__atomic_store_n(&walks, ++n, __ATOMIC_RELAXED);
		if (arg && !(n & 31)) {
			port_put(&ports, p);
			p = port_get(&ports);
		}
	}
	if (p)
		port_put(&ports, p);
	return NULL;
}

/* Ports are created and unlinked while other threads walk them. */
static void *churn(void *arg)
{
	struct port *p[4];

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 4; i++)
			p[i] = port_get(&ports);
		for (int i = 0; i < 4; i++)
			port_put(&ports, p[(i * 3 + 1) % 4]);
		sched_yield();
	}
	return NULL;
}

static void invalidate_by(unsigned int way)
{
	switch (way % 8) {
	case 0:
		ports_flush(&ports);
		break;
	case 1:
	case 2:
		ports_invalidate(&ports, PAGE - 3, 8);
		break;
	default:
		ports_invalidate(&ports, PAGE, 1);
		break;
	}
}

static void promise(u64 rounds, bool churning)
{
	pthread_t t, other;
	u32 spin = 0;

	stop = violations = walks = 0;
	assert_int_equal(pthread_create(&t, NULL, work, churning ? &t : NULL), 0);
	if (churning)
		assert_int_equal(pthread_create(&other, NULL, churn, NULL), 0);
	/* a loaded machine starts it late: without a worker nothing is tested */
	while (!__atomic_load_n(&walks, __ATOMIC_RELAXED))
		sched_yield();
	for (u64 round = 0; round < rounds; round++) {
		u64 cell = round % ARRAY_SIZE(cells);

		__atomic_store_n(&cells[cell].closed, 0, __ATOMIC_RELEASE);
		write_release(&table, cell << 12 | 1);
		for (u32 i = 0; i < spin; i++)
			cpu_relax();
		spin = (spin + 7) % 61;
		write_release(&table, 0);
		invalidate_by((unsigned int)round);
		__atomic_store_n(&cells[cell].closed, 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	if (churning)
		pthread_join(other, NULL);
	assert_int_equal(violations, 0);
}

static void test_no_access_after_an_invalidation(void **state)
{
	promise(60000, false);
}

static void test_no_access_while_ports_come_and_go(void **state)
{
	promise(60000, true);
}

#define with_ports(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_ports(test_ports_are_used_again),
		with_ports(test_a_port_that_is_given_back_is_walked_no_more),
		with_ports(test_an_unused_port_leads_on),
		with_ports(test_no_memory),
		with_ports(test_enter_and_exit),
		with_ports(test_each_form_of_invalidation),
		with_ports(test_an_access_across_the_wrap),
		with_ports(test_no_access_after_an_invalidation),
		with_ports(test_no_access_while_ports_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
