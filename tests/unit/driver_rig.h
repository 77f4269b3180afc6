/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that tests of drivers share: an image file that is removed after the test, and a device
 * on it.
 */
#ifndef DRIVER_RIG_H
#define DRIVER_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fail.h"
#include "drivers/message.h"
#include "mem/mem.h"

#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig {
	char image[64];
	struct device *dev;
};

/*
 * Opens sim:nvme on a new image of `bytes` zeroes, with additional keys, such as ",iommu=0" or "".
 */
static inline void rig_open(struct rig *r, u64 bytes, const char *keys)
{
	char spec[256];
	int fd;

	strcpy(r->image, "/tmp/dmamap-driver-XXXXXX");
	fd = mkstemp(r->image);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	close(fd);
	snprintf(spec, sizeof(spec), "sim:nvme,image=%s%s", r->image, keys);
	r->dev = dmamap_open(spec);
	if (!r->dev)
		fail_msg("%s", dmamap_strerror());
}

/* Asserts that nothing is mapped any more and that no access was refused. */
static inline struct dmamap_stats assert_all_unmapped(struct device *dev)
{
	struct dmamap_stats st = {.size = sizeof(st)};

	assert_int_equal(dmamap_stats(dev, &st), 0);
	assert_int_equal(st.maps, st.unmaps);
	assert_int_equal(st.faults, 0);
	return st;
}

/* Asserts that nothing is allocated either. */
static inline void assert_all_released(struct device *dev)
{
	assert_int_equal(assert_all_unmapped(dev).coherent_bytes, 0);
}

static inline void rig_close(struct rig *r)
{
	assert_all_released(r->dev);
	dmamap_close(r->dev);
	unlink(r->image);
	assert_int_equal(mem_pages_used(), 0);
}

#endif
