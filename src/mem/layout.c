/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Computes the location of RAM and of the bounce memory from the requested sizes.
 *
 * Sizes come from spec strings, so every size is checked against a limit before it is rounded or
 * added. Bounce memory crosses the end of zone DMA. A part of it is below 16 MiB, so that a device
 * with 24 address lines, the fewest that are supported without an IOMMU, can bounce. The rest is
 * above, so that zone DMA is not used up, and a device with 28 address lines reaches all of the
 * default 64 MiB.
 */
#include "mem/ram.h"

#include "base/error.h"

#define RAM_MIN		MIB
#define PHYS_RAM_END	(1ull << 46) /* RAM's addresses stay below PHYS_FOREIGN */
#define LOW_MAX_DEFAULT (3 * GIB)
#define BOUNCE_DEFAULT	(64 * MIB)
#define BOUNCE_SEGMENT	(256 * KIB) /* as in map/bounce.h */
#define BOUNCE_LOW_MAX	MIB	    /* bounce memory in zone DMA */

static int layout_place_ram(const struct mem_config *want, struct mem_layout *out)
{
	u64 ram = want->ram ? want->ram : want->ram_default ? want->ram_default : MEM_RAM_DEFAULT;
	u64 low_max = want->low_max ? want->low_max : LOW_MAX_DEFAULT;

	if (low_max < RAM_MIN || low_max > MEM_DMA32_END)
		return error_set(EINVAL,
				 "RAM below 4 GiB cannot be at most %llu bytes: "
				 "give 1 MiB to 4 GiB",
				 (unsigned long long)low_max);
	low_max = align_down(low_max, PAGE_BYTES);
	if (ram < RAM_MIN)
		return error_set(EINVAL,
				 "a machine with %llu bytes of RAM is too small: "
				 "give at least ram=1M",
				 (unsigned long long)ram);
	if (ram > PHYS_RAM_END - MEM_DMA32_END + low_max)
		return error_set(
			EINVAL,
			"a machine with %llu bytes of RAM is too large: "
			"its addresses must stay below 2^46, give at most ram=%lluG",
			(unsigned long long)ram,
			(unsigned long long)((PHYS_RAM_END - MEM_DMA32_END + low_max) / GIB));
	out->ram = align_up(ram, PAGE_BYTES);
	out->low = min_u64(out->ram, low_max);
	out->span = out->ram > out->low ? MEM_DMA32_END + (out->ram - out->low) : out->low;
	return 0;
}

static int layout_place_bounce(const struct mem_config *want, struct mem_layout *out)
{
	u64 most = align_down(out->low / 2, BOUNCE_SEGMENT);
	u64 size = align_down(min_u64(BOUNCE_DEFAULT, out->ram / 8), BOUNCE_SEGMENT), low;

	if (want->swiotlb > most)
		return error_set(
			EINVAL,
			"swiotlb=%llu does not fit: with %llu KiB of RAM below 4 GiB it "
			"may be %llu KiB, half of that; give a smaller swiotlb or a larger ram",
			(unsigned long long)want->swiotlb, (unsigned long long)(out->low / KIB),
			(unsigned long long)(most / KIB));
	if (want->swiotlb)
		size = align_up(want->swiotlb, BOUNCE_SEGMENT);
	size = min_u64(max_u64(size, BOUNCE_SEGMENT), most);
	low = align_up(min_u64(size / 4, BOUNCE_LOW_MAX), BOUNCE_SEGMENT);
	out->bounce_size = size;
	out->bounce_start = range_within(MEM_DMA_END - low, size, out->low)
				    ? MEM_DMA_END - low
				    : align_down(out->low - size, BOUNCE_SEGMENT);
	return 0;
}

int mem_layout_make(const struct mem_config *want, struct mem_layout *out)
{
	struct mem_layout made = {0};
	int err;

	err = layout_place_ram(want, &made);
	if (!err)
		err = layout_place_bounce(want, &made);
	if (!err)
		*out = made;
	return err;
}
