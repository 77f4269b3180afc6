/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fails the 1st, 2nd, 3rd … call of each site of fault injection until the operation succeeds
 * without a failure.
 *
 * An operation does its work and undoes it. It returns 0, or a negative errno with everything
 * undone. After each run nothing may be left: no mapping, no coherent memory, no address space, no
 * page of RAM (including the library's own pages), no held segment. A failure must have set an
 * error message. LeakSanitizer detects leaks of heap memory. An injected failure need not reach the
 * caller, because an operation may succeed without a cache.
 */
#ifndef TESTS_FAILNTH_H
#define TESTS_FAILNTH_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "base/error.h"
#include "domain/device.h"
#include "mem/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILNTH_MAX 2000 /* more failures than this in one operation: it does not terminate */

static const char *const failnth_sites[] = {"map",    "coherent", "pool", "page",
					    "iova",   "bounce",	  "link", "backend",
					    "memory", "kmalloc",  "all"};

static struct page *failnth_anchor;	 /* keeps RAM allocated while no device is open */
static struct device *failnth_bystander; /* keeps what the first device creates for all devices */

static maybe_unused int failnth_setup(void **state)
{
	failnth_bystander = dmamap_open("sim,swiotlb=1M,coherent=0");
	failnth_anchor = alloc_page(GFP_KERNEL);
	return failnth_anchor && failnth_bystander ? 0 : -1;
}

static int failnth_teardown(void **state)
{
	__free_page(failnth_anchor);
	dmamap_close(failnth_bystander);
	return 0;
}

static inline u64 failnth_free_pages(void)
{
	u64 free[PAGE_ORDERS], n = 0;

	zones_count(free);
	for (unsigned int i = 0; i < PAGE_ORDERS; i++)
		n += free[i] << i;
	return n;
}

/*
 * The first index that a new key of per-thread records gets; an index that was leaked is never used
 * again.
 */
static inline u32 failnth_free_key(void)
{
	struct tslot_key key;
	u32 id;

	assert_int_equal(tslot_key_init(&key, 64, NULL, NULL), 0);
	id = key.id;
	tslot_key_destroy(&key);
	return id;
}

/* The resources that the device must not own any more. */
static inline void failnth_check_device(struct device *dev)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	assert_int_equal(s.maps, s.unmaps);
	assert_int_equal(s.coherent_bytes, 0);
	assert_int_equal(dev->domain->n_holds, 0);
	assert_null(dev->managed);
	if (dev->domain->iova) {
		struct iova_stats iova;

		if (dev->domain->policy == POLICY_LAZY)
			domain_flush(dev->domain);
		iova_drain(dev->domain->iova);
		iova_stats(dev->domain->iova, &iova);
		assert_int_equal(iova.pages - iova.cached, 0);
	}
}

/*
 * Arms the n-th failure of a site, runs `op` with `arg`, and disarms. True: the failure was
 * reached.
 */
static inline bool failnth_once(const char *name, const char *site, unsigned int n,
				int (*op)(void *arg), void *arg)
{
	char plan[64], before[600];
	bool fired;
	int err;

	dmamap_bus_fault_next(NULL, NULL);
	snprintf(before, sizeof(before), "%s", dmamap_strerror());
	snprintf(plan, sizeof(plan), "%s:nth=%u", site, n);
	assert_int_equal(dmamap_fail(plan), 0);
	errno = 0;
	err = op(arg);
	fired = dmamap_fail_count(site) != 0;
	if (err && (err > 0 || !strcmp(before, dmamap_strerror()) || !*dmamap_strerror())) {
		dmamap_fail(NULL);
		fail_msg("%s, %s: result %d without an error message of its own", name, plan, err);
	}
	if (err && !fired) {
		dmamap_fail(NULL);
		fail_msg("%s, %s: failed unasked: %s", name, plan, dmamap_strerror());
	}
	assert_int_equal(dmamap_fail(NULL), 0);
	return fired;
}

/* The operation opens and closes what it needs. */
static inline void failnth_alone(const char *name, int (*op)(void *arg), void *arg)
{
	u64 free_before, used_before;
	u32 key_before;

	assert_int_equal(op(arg), 0);
	key_before = failnth_free_key();
	free_before = failnth_free_pages();
	used_before = mem_pages_used();
	for (size_t i = 0; i < ARRAY_SIZE(failnth_sites); i++) {
		unsigned int n = 1;

		while (failnth_once(name, failnth_sites[i], n, op, arg)) {
			if (failnth_free_pages() != free_before || mem_pages_used() != used_before)
				fail_msg("%s, %s:nth=%u: pages are lost: %lld", name,
					 failnth_sites[i], n,
					 (long long)(free_before - failnth_free_pages()));
			assert_int_equal(failnth_free_key(), key_before);
			assert_true(n++ < FAILNTH_MAX);
		}
	}
	assert_int_equal(op(arg), 0);
}

struct failnth_device_op {
	const char *spec;
	u64 mask;
	int (*op)(struct device *dev, void *arg);
	void *arg;
	struct device *dev;
};

static inline int failnth_on_device(void *arg)
{
	struct failnth_device_op *d = (struct failnth_device_op *)arg;

	return d->op(d->dev, d->arg);
}

/*
 * On a device of the spec, which is opened again for each failure, so that no cache prevents one.
 */
static inline void failnth_device(const char *name, const char *spec, u64 mask,
				  int (*op)(struct device *dev, void *arg), void *arg)
{
	struct failnth_device_op d = {spec, mask, op, arg, NULL};

	for (size_t i = 0; i < ARRAY_SIZE(failnth_sites); i++) {
		u64 free_before = 0, used_before = 0;
		bool fired = true;

		for (unsigned int n = 0; fired; n++) {
			assert_true(n < FAILNTH_MAX);
			d.dev = dmamap_open(spec);
			assert_non_null(d.dev);
			assert_int_equal(dma_set_mask_and_coherent(d.dev, mask), 0);
			if (n)
				fired = failnth_once(name, failnth_sites[i], n, failnth_on_device,
						     &d);
			else
				assert_int_equal(op(d.dev, arg), 0);
			failnth_check_device(d.dev);
			if (n)
				assert_int_equal(op(d.dev, arg), 0); /* it works again */
			dmamap_close(d.dev);
			if (!n) {
				free_before = failnth_free_pages();
				used_before = mem_pages_used();
			} else if (failnth_free_pages() != free_before ||
				   mem_pages_used() != used_before) {
				fail_msg("%s on %s, %s:nth=%u: pages are lost: %lld", name, spec,
					 failnth_sites[i], n,
					 (long long)(free_before - failnth_free_pages()));
			}
		}
	}
}

#endif
