/* SPDX-License-Identifier: BSD-2-Clause */
/* One range, and links of plain memory into it. */
#ifndef TESTS_TWOSTEP_LINKS_H
#define TESTS_TWOSTEP_LINKS_H

#include "twostep_rig.h"

static struct dma_iova_state st;

static inline void range_take(phys_addr_t phys, size_t size)
{
	assert_true(dma_iova_try_alloc(dev, &st, phys, size));
	assert_true(dma_use_iova(&st));
	assert_int_equal(dma_iova_size(&st), size);
	assert_int_equal(st.addr & (K4 - 1), phys & (K4 - 1));
}

static inline int link_at(const u8 *p, size_t offset, size_t size, enum dma_data_direction dir)
{
	return dma_iova_link(dev, &st, virt_to_phys(p), offset, size, dir, 0);
}

static inline void must_link(const u8 *p, size_t offset, size_t size, enum dma_data_direction dir)
{
	int err = link_at(p, offset, size, dir);

	if (err)
		fail_msg("link of %zu at %zu: %s", size, offset, dmamap_strerror());
	assert_int_equal(dma_iova_sync(dev, &st, offset, size), 0);
}

#endif
