/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's registers. The protocol's regions 0 to 5 are its BARs, region 7 is its configuration
 * space. Areas that can be mapped are mapped; every other register is read and written by message.
 *
 * The file of an area belongs to the server, which may truncate it at any time. The access then
 * fails instead of ending the process (base/trap.h).
 */
#include "vfuclient/private.h"
#include "base/error.h"
#include "base/fail.h"
#include "bus/copy.h"

#include <string.h>
#include <sys/mman.h>

#define PCI_COMMAND    4u
#define COMMAND_IO     1u
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u

/* An area that cannot be mapped is accessed by message. */
void vfuclient_map_region(struct vfuclient *c, struct vfuclient_region *r, int fd, u64 at)
{
	for (unsigned int k = 0; k < r->n_areas; k++) {
		struct backend_area *a = &r->area[k];
		void *p = MAP_FAILED;

		if (!fail_here(FAIL_MEMORY, NULL))
			p = mmap(NULL, a->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				 (off_t)(at + a->offset));
		if (p == MAP_FAILED)
			continue;
		madvise(p, a->size, MADV_DONTFORK);
		a->base = p;
	}
}

void vfuclient_unmap_regions(struct vfuclient *c)
{
	for (unsigned int i = 0; i < REGIONS; i++)
		for (unsigned int k = 0; k < c->region[i].n_areas; k++) {
			struct backend_area *a = &c->region[i].area[k];

			if (a->base)
				munmap(a->base, a->size);
			a->base = NULL;
		}
}

static bool register_exists(struct vfuclient *c, int bar, u64 offset, unsigned int size)
{
	return likely(range_within(offset, size, c->region[bar].size)) ||
	       device_no_register(c->dev, bar, offset, size);
}

static slow_path void register_refused(struct vfuclient *c, const char *what, int bar, u64 offset,
				       unsigned int size, int err)
{
	error_set(err, "%s: the server refused to %s %u bytes at BAR %d offset %#llx: %s",
		  c->dev->name, what, size, bar, (unsigned long long)offset, strerror(err));
}

static slow_path void register_lost(struct vfuclient *c, int bar)
{
	error_set(EIO,
		  "%s: the server has truncated the file of BAR %d: its registers read all "
		  "ones",
		  c->dev->name, bar);
}

/* Reads by message. 0 and the value, or an errno with an error message. */
static int register_read_message(struct vfuclient *c, int bar, u64 offset, unsigned int size,
				 u64 *value)
{
	const struct vfuser_region_access ask = {offset, (u32)bar, size};
	struct {
		struct vfuser_region_access head;
		u64 value;
	} reply = {.value = 0};
	struct vfuclient_call call = {.command = VFUSER_REGION_READ,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .reply = &reply,
				      .reply_min = (u32)sizeof(ask) + size,
				      .reply_max = (u32)sizeof(ask) + size,
				      .echo_size = sizeof(ask)};
	int err = vfuclient_call(c, &call);

	if (err > 0)
		register_refused(c, "read", bar, offset, size, err);
	if (err)
		return err;
	*value = reply.value;
	return 0;
}

static int register_write_message(struct vfuclient *c, int bar, u64 offset, unsigned int size,
				  u64 value, bool wait)
{
	const struct vfuser_region_access ask = {offset, (u32)bar, size};
	struct vfuser_region_access reply;
	struct vfuclient_call call = {.command = VFUSER_REGION_WRITE,
				      .request = &ask,
				      .request_size = sizeof(ask),
				      .data = &value,
				      .data_size = size,
				      .reply = &reply,
				      .reply_min = sizeof(reply),
				      .reply_max = sizeof(reply),
				      .echo_size = sizeof(ask)};
	int err = wait ? vfuclient_call(c, &call) : vfuclient_post(c, &call);

	if (err > 0)
		register_refused(c, "write", bar, offset, size, err);
	return err;
}

static bool register_load(const void *p, unsigned int size, u64 *value)
{
	u32 v32;
	u16 v16;
	u8 v8;
	bool ok;

	trap_thread();
	switch (size) {
	case 1:
		ok = copy_load_8(p, &v8);
		*value = ok ? v8 : ~0ull;
		return ok;
	case 2:
		ok = copy_load_16(p, &v16);
		*value = ok ? v16 : ~0ull;
		return ok;
	case 4:
		ok = copy_load_32(p, &v32);
		*value = ok ? v32 : ~0ull;
		return ok;
	}
	return copy_load_64(p, value);
}

static bool register_store(void *p, unsigned int size, u64 value)
{
	trap_thread();
	switch (size) {
	case 1:
		return copy_store_8(p, (u8)value);
	case 2:
		return copy_store_16(p, (u16)value);
	case 4:
		return copy_store_32(p, (u32)value);
	}
	return copy_store_64(p, value);
}

/* Registers of configuration space have at most 4 bytes. */
static u64 register_read_parts(struct vfuclient *c, int bar, u64 offset, unsigned int size)
{
	u64 low = ~0ull, high = ~0ull;

	if (bar != CONFIG_BAR || size < 8) {
		register_read_message(c, bar, offset, size, &low);
		return low;
	}
	register_read_message(c, bar, offset, 4, &low);
	register_read_message(c, bar, offset + 4, 4, &high);
	return (u32)low | high << 32;
}

u64 vfuclient_read(struct vfuclient *c, int bar, u64 offset, unsigned int size)
{
	const struct vfuclient_region *r = &c->region[bar];
	u64 value = ~0ull;
	void *p;

	if (unlikely(vfuclient_is_dead(c))) {
		vfuclient_error(c);
		return ~0ull;
	}
	if (!register_exists(c, bar, offset, size))
		return ~0ull;
	p = backend_area_find(r->area, r->n_areas, offset, size);
	if (p) {
		if (unlikely(!register_load(p, size, &value)))
			register_lost(c, bar);
	} else if (r->readable) {
		value = register_read_parts(c, bar, offset, size);
	}
	/*
	 * Later reads of memory must return what the device wrote before this register read
	 * completed.
	 */
	full_fence();
	return value;
}

void vfuclient_write(struct vfuclient *c, int bar, u64 offset, unsigned int size, u64 value)
{
	const struct vfuclient_region *r = &c->region[bar];
	void *p;

	if (unlikely(vfuclient_is_dead(c))) {
		vfuclient_error(c);
		return;
	}
	if (!register_exists(c, bar, offset, size))
		return;
	/*
	 * Earlier writes of the driver to memory must be visible before this write reaches the
	 * device.
	 */
	full_fence();
	p = backend_area_find(r->area, r->n_areas, offset, size);
	if (p) {
		if (unlikely(!register_store(p, size, value)))
			register_lost(c, bar);
	} else if (r->writable) {
		register_write_message(c, bar, offset, size, value, false);
	}
}

/*
 * Reads a register. The server processes messages in order, so earlier writes are then complete.
 */
void vfuclient_flush(struct vfuclient *c)
{
	vfuclient_read(c, CONFIG_BAR, 0, 2);
}

static void describe_bar(struct vfuclient *c, unsigned int i)
{
	struct dmamap_bar_info *bar = &c->dev->bar[i];
	u64 size = c->region[i].size, low = 0, high = 0;

	if (!size || register_read_message(c, CONFIG_BAR, 0x10 + 4 * i, 4, &low))
		return;
	bar->size = 1ull << log2_ceil(size); /* a server's region may end before its BAR */
	if (low & 1) {
		bar->flags = DMAMAP_BAR_IO;
		bar->addr = low & ~3u;
		return;
	}
	bar->flags = low & 8 ? DMAMAP_BAR_PREFETCH : 0;
	bar->addr = low & ~15u;
	if ((low & 6) == 4 && i + 1 < DEVICE_BARS &&
	    !register_read_message(c, CONFIG_BAR, 0x14 + 4 * i, 4, &high)) {
		bar->flags |= DMAMAP_BAR_64BIT;
		bar->addr |= high << 32;
	}
}

void vfuclient_describe_bars(struct vfuclient *c)
{
	for (unsigned int i = 0; i < DEVICE_BARS; i++)
		describe_bar(c, i);
}

int vfuclient_reset(struct vfuclient *c)
{
	struct vfuclient_call call = {.command = VFUSER_RESET};
	int err = c->can_reset ? vfuclient_call(c, &call) : 0;

	return err > 0 ? error_set(err, "%s: the server cannot reset the device: %s", c->dev->name,
				   strerror(err))
		       : err;
}

int vfuclient_master(struct vfuclient *c, bool on)
{
	u64 command;
	int err = register_read_message(c, CONFIG_BAR, PCI_COMMAND, 2, &command);

	if (err)
		return err > 0 ? -err : err;
	command = on ? command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER
		     : command & ~(u64)COMMAND_MASTER;
	err = register_write_message(c, CONFIG_BAR, PCI_COMMAND, 2, command, true);
	return err > 0 ? -err : err;
}
