/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults: the users of the resolver are counted, and removal of the last one waits for running
 * calls.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "domain/device.h"
#include "domain/fault.h"

#include <errno.h>
#include <sched.h>

static struct device dev;
static u32 calls, resolved, settled, go, ended; /* atomic */

#define load(x)	    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define store(x, v) __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)

static int demand(struct device *d, dma_addr_t addr, size_t len, bool write, void *arg)
{
	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
	while (!load(go))
		sched_yield();
	return 0;
}

static int resolve(struct device *d, dma_addr_t addr, size_t len, bool write, void *arg)
{
	resolved++;
	return -EPERM;
}

static void settle(struct device *d, dma_addr_t addr, size_t len)
{
	settled++;
}

static bool ask(void)
{
	struct fault_try try = {0};

	return fault_ask(&dev, 0x1000, 8, false, &try);
}

static int setup(void **state)
{
	fault_table_init(&dev.fault_table);
	calls = resolved = settled = ended = 0;
	go = 1;
	return 0;
}

static int teardown(void **state)
{
	fault_table_fini(&dev.fault_table);
	return 0;
}

/* One user ends, and the faults of the other are still resolved. */
static void each_user_counts(void **state)
{
	assert_false(ask());
	fault_demand_get(&dev.fault_table, demand, settle);
	fault_demand_get(&dev.fault_table, demand, settle);
	assert_true(ask());
	fault_demand_put(&dev.fault_table);
	assert_true(ask());
	fault_demand_get(&dev.fault_table, demand, settle);
	fault_demand_put(&dev.fault_table);
	assert_true(ask());
	fault_demand_put(&dev.fault_table);
	assert_false(ask());
	assert_int_equal(calls, 3);
	fault_settle(&dev, 0, 1);
	assert_int_equal(settled, 1);
}

/* The program's function is called first. */
static void the_program_comes_first(void **state)
{
	fault_demand_get(&dev.fault_table, demand, settle);
	fault_set(&dev.fault_table, resolve, NULL);
	assert_false(ask());
	assert_int_equal(resolved, 1);
	assert_int_equal(calls, 0);
	fault_set(&dev.fault_table, NULL, NULL);
	assert_true(ask());
	fault_demand_put(&dev.fault_table);
}

static void *ask_once(void *arg)
{
	return (void *)(uintptr_t)ask();
}

static void *put_last(void *arg)
{
	fault_demand_put(&dev.fault_table);
	store(ended, 1);
	return NULL;
}

/* The last user waits for a running call, but not if there is another user. */
static void the_last_waits(void **state)
{
	pthread_t t[2];

	fault_demand_get(&dev.fault_table, demand, settle);
	store(go, 0);
	assert_int_equal(pthread_create(&t[0], NULL, ask_once, NULL), 0);
	while (!load(calls))
		sched_yield();
	assert_int_equal(pthread_create(&t[1], NULL, put_last, NULL), 0);
	for (int i = 0; i < 1000; i++)
		sched_yield();
	assert_int_equal(load(ended), 0);
	store(go, 1);
	pthread_join(t[1], NULL);
	pthread_join(t[0], NULL);
	assert_false(ask());
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_user_counts),
		T(the_program_comes_first),
		T(the_last_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
