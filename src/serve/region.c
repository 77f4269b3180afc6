/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes of regions: pieces of 1, 2, 4 or 8 bytes, each as large as its offset allows. */
#include "base/error.h"
#include "base/math.h"
#include "serve/served.h"

#include <string.h>

u64 region_size(const struct served *s, u32 index)
{
	if (index == VFUSER_REGION_CONFIG)
		return SERVE_CONFIG;
	return index < DEVICE_BARS && s->dev ? s->dev->bar[index].size : 0;
}

static u32 served_region_piece(u64 offset, u32 left)
{
	u32 n = 8;

	while (n > left || offset & (n - 1))
		n /= 2;
	return n;
}

static u64 served_region_read_piece(struct device *dev, int bar, u64 offset, u32 n)
{
	return n == 8	? dmamap_readq(dev, bar, offset)
	       : n == 4 ? dmamap_readl(dev, bar, offset)
	       : n == 2 ? dmamap_readw(dev, bar, offset)
			: dmamap_readb(dev, bar, offset);
}

static void served_region_write_piece(struct device *dev, int bar, u64 offset, u32 n, u64 value)
{
	if (n == 8)
		dmamap_writeq(dev, bar, offset, value);
	else if (n == 4)
		dmamap_writel(dev, bar, offset, (u32)value);
	else if (n == 2)
		dmamap_writew(dev, bar, offset, (u16)value);
	else
		dmamap_writeb(dev, bar, offset, (u8)value);
}

/* 0, or a positive errno. */
static int served_region_check(struct served *s, const struct vfuser_region_access *a,
			       const char *what)
{
	if (a->region < VFUSER_REGIONS && a->count && a->count <= SERVE_XFER &&
	    range_within(a->offset, a->count, region_size(s, a->region))) {
		s->used = true;
		return s->dev ? 0 : EIO;
	}
	serve_misuse(s, MISUSE_REGISTER,
		     "a %s of %u bytes at offset %#llx of region %u, which has %llu bytes", what,
		     a->count, (unsigned long long)a->offset, a->region,
		     (unsigned long long)region_size(s, a->region));
	return EINVAL;
}

int region_read(struct served *s, const struct vfuser_region_access *a, u8 *to)
{
	int err = served_region_check(s, a, "read");

	if (err)
		return err;
	if (a->region == VFUSER_REGION_CONFIG) {
		config_space_read(s, a->offset, to, a->count);
		return 0;
	}
	for (u32 done = 0, n; done < a->count; done += n) {
		u64 value;

		n = served_region_piece(a->offset + done, a->count - done);
		value = served_region_read_piece(s->dev, (int)a->region, a->offset + done, n);
		memcpy(to + done, &value, n);
	}
	return 0;
}

int region_write(struct served *s, const struct vfuser_region_access *a, const u8 *from)
{
	int err = served_region_check(s, a, "write");

	if (err)
		return err;
	if (a->region == VFUSER_REGION_CONFIG) {
		config_space_write(s, a->offset, from, a->count);
		return 0;
	}
	for (u32 done = 0, n; done < a->count; done += n) {
		u64 value = 0;

		n = served_region_piece(a->offset + done, a->count - done);
		memcpy(&value, from + done, n);
		served_region_write_piece(s->dev, (int)a->region, a->offset + done, n, value);
	}
	return 0;
}
