/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The function's registers. VFIO's regions 0 to 5 are its BARs, region 7 is its configuration
 * space. Areas that can be mapped are mapped; all other registers are read and written through the
 * device's file. The kernel reports sizes and offsets, which are not trusted: a mapped area that is
 * not completely inside its region is not used.
 */
#include "vfio/calls.h"
#include "vfio/private.h"
#include "vfio/uapi.h"
#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

#define INFO_MAX       65536u
#define PCI_COMMAND    4u
#define COMMAND_IO     1u
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u

static int vfio_pci_ioctl(struct vfio_function *f, unsigned long request, void *arg)
{
	return vfio_calls->ioctl(f->fd, request, arg);
}

static void vfio_function_add_area(struct vfio_region *r, u64 offset, u64 size)
{
	if (size && range_within(offset, size, r->size))
		backend_area_add(r->area, &r->n_areas, offset, size);
}

/*
 * Reads which areas can be mapped if not all of the region can. False: the kernel reports no such
 * list.
 */
static bool vfio_function_sparse_areas(struct vfio_region *r, const struct vfio_region_info *info)
{
	u32 at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) &&
	       range_within(at, sizeof(struct vfio_info_cap_header), info->argsz)) {
		const struct vfio_region_info_cap_sparse_mmap *cap =
			(const void *)((const u8 *)info + at);

		if (cap->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			if (!range_within(at, sizeof(*cap), info->argsz) ||
			    !range_within(at + sizeof(*cap),
					  (u64)cap->nr_areas * sizeof(cap->areas[0]), info->argsz))
				return false;
			for (u32 i = 0; i < cap->nr_areas; i++)
				vfio_function_add_area(r, cap->areas[i].offset, cap->areas[i].size);
			return true;
		}
		if (cap->header.next <= at)
			break;
		at = cap->header.next;
	}
	return false;
}

static void vfio_function_read_region(struct vfio_region *r, const struct vfio_region_info *info)
{
	r->size = info->size;
	r->at = info->offset;
	r->readable = info->flags & VFIO_REGION_INFO_FLAG_READ;
	r->writable = info->flags & VFIO_REGION_INFO_FLAG_WRITE;
	r->mappable = info->flags & VFIO_REGION_INFO_FLAG_MMAP;
	if (r->mappable && !vfio_function_sparse_areas(r, info))
		vfio_function_add_area(r, 0, align_down(r->size, PAGE_BYTES));
}

/* Returns the region's structure with its chain of capabilities in allocated memory. */
static struct vfio_region_info *vfio_function_region_info(struct vfio_function *f, u32 index)
{
	u32 size = 512;

	for (int tries = 0; tries < 2; tries++) {
		struct vfio_region_info *info = alloc_zeroed(size);
		u32 want;
		int err;

		if (!info)
			return NULL;
		info->argsz = size;
		info->index = index;
		err = vfio_pci_ioctl(f, VFIO_DEVICE_GET_REGION_INFO, info);
		want = info->argsz;
		if (err >= 0 && want <= size) {
			info->argsz = size;
			return info;
		}
		alloc_free(info);
		if (err < 0 || want > INFO_MAX)
			return error_null(
				err < 0 ? -err : E2BIG,
				"%s: the information about its region %u cannot be read: %s",
				f->pci.address.text, index, err < 0 ? strerror(-err) : "too long");
		size = want;
	}
	return error_null(EPROTO, "%s: the kernel does not describe its region %u",
			  f->pci.address.text, index);
}

int function_describe(struct vfio_function *f)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int err = vfio_pci_ioctl(f, VFIO_DEVICE_GET_INFO, &info);

	if (err < 0)
		return error_set(-err, "the description of %s cannot be read: %s",
				 f->pci.address.text, strerror(-err));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return error_set(ENODEV, "VFIO does not report %s as a PCI function",
				 f->pci.address.text);
	f->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (u32 i = 0; i < REGIONS; i++) {
		struct vfio_region_info *r;

		if (i == VFIO_PCI_ROM_REGION_INDEX)
			continue;
		r = vfio_function_region_info(f, i);
		if (!r)
			return -errno;
		vfio_function_read_region(&f->region[i], r);
		alloc_free(r);
	}
	if (!f->region[CONFIG_BAR].readable || f->region[CONFIG_BAR].size < 64)
		return error_set(ENODEV, "%s has no configuration space that can be read",
				 f->pci.address.text);
	return 0;
}

int function_map_regions(struct vfio_function *f)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct vfio_region *r = &f->region[i];

		/* an area that cannot be mapped is accessed through the file */
		for (unsigned int k = 0; k < r->n_areas; k++)
			r->area[k].base =
				vfio_calls->map(f->fd, r->area[k].size, r->at + r->area[k].offset);
	}
	return 0;
}

void function_unmap_regions(struct vfio_function *f)
{
	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int k = 0; k < f->region[i].n_areas; k++) {
			struct backend_area *a = &f->region[i].area[k];

			if (a->base)
				vfio_calls->unmap(a->base, a->size);
			a->base = NULL;
		}
}

void function_blank_regions(struct vfio_function *f)
{
	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int k = 0; k < f->region[i].n_areas; k++)
			if (f->region[i].area[k].base)
				vfio_calls->blank(f->region[i].area[k].base,
						  f->region[i].area[k].size);
}

static bool vfio_register_exists(struct vfio_function *f, int bar, u64 offset, unsigned int size)
{
	return likely(range_within(offset, size, f->region[bar].size)) ||
	       device_no_register(f->dev, bar, offset, size);
}

static slow_path u64 vfio_function_file_read(struct vfio_function *f, const struct vfio_region *r,
					     u64 offset, unsigned int size)
{
	u64 value = 0;

	if (!r->readable || vfio_calls->read(f->fd, &value, size, r->at + offset) != (ssize_t)size)
		return ~0ull;
	return value;
}

static u64 vfio_function_mapped_read(const volatile void *p, unsigned int size)
{
	switch (size) {
	case 1:
		return *(const volatile u8 *)p;
	case 2:
		return *(const volatile u16 *)p;
	case 4:
		return *(const volatile u32 *)p;
	}
	return *(const volatile u64 *)p;
}

static void vfio_function_mapped_write(volatile void *p, unsigned int size, u64 value)
{
	if (size == 1)
		*(volatile u8 *)p = (u8)value;
	else if (size == 2)
		*(volatile u16 *)p = (u16)value;
	else if (size == 4)
		*(volatile u32 *)p = (u32)value;
	else
		*(volatile u64 *)p = value;
}

static slow_path void vfio_function_report_gone(struct vfio_function *f)
{
	error_set(ENODEV,
		  "%s: the kernel took the device back (it was unbound or removed): its registers "
		  "read all ones; close the device",
		  f->dev->name);
}

u64 vfio_function_read(struct vfio_function *f, int bar, u64 offset, unsigned int size)
{
	const struct vfio_region *r = &f->region[bar];
	volatile void *p;
	u64 value;

	if (unlikely(read_acquire(&f->gone))) {
		vfio_function_report_gone(f);
		return ~0ull;
	}
	if (!vfio_register_exists(f, bar, offset, size))
		return ~0ull;
	p = backend_area_find(r->area, r->n_areas, offset, size);
	value = likely(p) ? vfio_function_mapped_read(p, size)
			  : vfio_function_file_read(f, r, offset, size);
	/*
	 * Later reads of memory must see what the device wrote before this register read completed.
	 */
	full_fence();
	return value;
}

void function_write(struct vfio_function *f, int bar, u64 offset, unsigned int size, u64 value)
{
	const struct vfio_region *r = &f->region[bar];
	volatile void *p;

	if (unlikely(read_acquire(&f->gone))) {
		vfio_function_report_gone(f);
		return;
	}
	if (!vfio_register_exists(f, bar, offset, size))
		return;
	/*
	 * Earlier writes of the driver to memory must be visible before this write reaches the
	 * device.
	 */
	full_fence();
	p = backend_area_find(r->area, r->n_areas, offset, size);
	if (likely(p))
		vfio_function_mapped_write(p, size, value);
	else if (!r->writable ||
		 vfio_calls->write(f->fd, &value, size, r->at + offset) != (ssize_t)size)
		error_set(EIO, "%s: the kernel refused to write %u bytes at BAR %d offset %#llx",
			  f->dev->name, size, bar, (unsigned long long)offset);
}

/* Reads a register: a read of a function is not reordered before earlier posted writes to it. */
void vfio_function_flush(struct vfio_function *f)
{
	vfio_function_read(f, CONFIG_BAR, 0, 2);
}

static void vfio_describe_bar(struct vfio_function *f, unsigned int i)
{
	struct dmamap_bar_info *bar = &f->dev->bar[i];
	const struct vfio_region *config = &f->region[CONFIG_BAR];
	u32 low = 0, high = 0;

	if (!f->region[i].size || vfio_calls->read(f->fd, &low, 4, config->at + 0x10 + 4 * i) != 4)
		return;
	bar->size = f->region[i].size;
	if (low & 1) {
		bar->flags = DMAMAP_BAR_IO;
		bar->addr = low & ~3u;
		return;
	}
	bar->flags = low & 8 ? DMAMAP_BAR_PREFETCH : 0;
	bar->addr = low & ~15u;
	if ((low & 6) == 4 && i + 1 < DEVICE_BARS &&
	    vfio_calls->read(f->fd, &high, 4, config->at + 0x14 + 4 * i) == 4) {
		bar->flags |= DMAMAP_BAR_64BIT;
		bar->addr |= (u64)high << 32;
	}
}

void vfio_function_describe_bars(struct vfio_function *f)
{
	for (unsigned int i = 0; i < DEVICE_BARS; i++)
		vfio_describe_bar(f, i);
}

/*
 * A function without a reset of its own is reset through its bus, if that resets nothing else. Many
 * functions, such as those on the root bus, cannot be reset at all; they are used without a reset.
 */
static void vfio_function_hot_reset(struct vfio_function *f)
{
	union {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_hot_reset reset;
		u8 bytes[sizeof(struct vfio_pci_hot_reset_info) +
			 4 * sizeof(struct vfio_pci_dependent_device)];
	} u = {.info = {.argsz = sizeof(u)}};

	if (vfio_pci_ioctl(f, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &u.info) < 0 || u.info.count != 1)
		return;
	u.reset = (struct vfio_pci_hot_reset){.argsz = sizeof(u.reset)};
	if (f->space->group_fd >= 0) { /* proves ownership of the affected groups */
		u.reset.argsz += sizeof(s32);
		u.reset.count = 1;
		u.reset.group_fds[0] = f->space->group_fd;
	}
	vfio_pci_ioctl(f, VFIO_DEVICE_PCI_HOT_RESET, &u.reset);
}

int function_reset(struct vfio_function *f)
{
	int err;

	if (!f->can_reset) {
		vfio_function_hot_reset(f);
		return 0;
	}
	err = vfio_pci_ioctl(f, VFIO_DEVICE_RESET, NULL);
	return err < 0 ? error_set(-err, "%s cannot be reset: %s", f->pci.address.text,
				   strerror(-err))
		       : 0;
}

int function_master(struct vfio_function *f, bool on)
{
	const struct vfio_region *r = &f->region[CONFIG_BAR];
	u16 command = 0;

	if (vfio_calls->read(f->fd, &command, 2, r->at + PCI_COMMAND) != 2)
		return error_set(EIO, "%s: its configuration space cannot be read",
				 f->pci.address.text);
	command = (u16)(on ? command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER
			   : command & ~COMMAND_MASTER);
	if (vfio_calls->write(f->fd, &command, 2, r->at + PCI_COMMAND) != 2)
		return error_set(EIO, "%s: its configuration space cannot be written",
				 f->pci.address.text);
	return 0;
}
