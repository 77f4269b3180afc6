/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of a simulated device. An access first translates the whole range and then copies, so a
 * refused access copies nothing. An unmap of its pages waits from port_enter() to port_exit()
 * (iotlb/port.h).
 */
#include "bus/bus.h"
#include "base/alloc.h"
#include "base/error.h"
#include "bus/copy.h"
#include "domain/hold.h"

#include <string.h>

#define SEGMENTS_ON_STACK 32

struct port *bus_port_slow(struct device *dev, struct device_port *slot)
{
	/* There was no memory for the slot's port before, so the allocation is tried again. */
	if (slot && !slot->port)
		write_once(&slot->port, port_get(&dev->domain->ports));
	if (!slot || !slot->port) {
		error_set(ENOMEM, "%s: no memory for the records of an access", dev->name);
		return NULL;
	}
	return slot->port;
}

/* Returns 0, or the reason why no access of the range can succeed. */
static int bus_check_range(const struct device *dev, dma_addr_t addr, size_t len)
{
	if (len - 1 > ~addr || addr + len - 1 > dev->address_last || addr < dev->bus_offset)
		return DMAMAP_FAULT_ADDRESS;
	/* Addresses beyond the page table do not fit in the tags of the translation cache either.
	 */
	if (dev->iommu && (addr + (len - 1) - dev->bus_offset) >> PT_IOVA_BITS)
		return DMAMAP_FAULT_NOT_MAPPED;
	return unlikely(read_once(&dev->stuck)) ? DMAMAP_FAULT_STUCK : 0;
}

/*
 * Records the fault. Every access for a device that is not simulated is refused here, because the
 * program cannot act as that device.
 */
static slow_path int bus_refuse(struct device *dev, dma_addr_t addr, size_t len, bool write,
				int reason)
{
	if (dev->hw)
		return error_set(EOPNOTSUPP,
				 "%s: the device is not simulated: it does its DMA itself, and the "
				 "program cannot make accesses for it",
				 dev->name);
	if (reason == DMAMAP_FAULT_STUCK && !(read_once(&dev->stuck) & DEVICE_STUCK))
		reason = DMAMAP_FAULT_NO_MASTER;
	return device_fault(dev, addr, len, write, (enum dmamap_fault_reason)reason);
}

/* Returns 0, or the reason why this page refuses the access. */
hot_inline int bus_refusal_reason(u64 value, bool write)
{
	if (unlikely(!value))
		return DMAMAP_FAULT_NOT_MAPPED;
	if (unlikely(!(value & (write ? PT_WRITE : PT_READ))))
		return write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
	return 0;
}

hot_inline u8 *bus_host_address(u64 value, u64 bus)
{
	return (u8 *)(uintptr_t)((value & ~(PAGE_BYTES - 1)) | (bus & (PAGE_BYTES - 1)));
}

/* A list of at most `max` segments. It begins on the stack and moves to the heap when it grows. */
struct bus_segments {
	struct iovec *iov, *heap;
	int n, capacity, max;
	bool demand; /* there are on-demand pages, so demand_copy() copies all segments */
};

static int bus_segment_add(struct bus_segments *s, u8 *at, u64 size)
{
	if (s->n && (u8 *)s->iov[s->n - 1].iov_base + s->iov[s->n - 1].iov_len == at) {
		s->iov[s->n - 1].iov_len += size;
		return 0;
	}
	if (s->n == s->max)
		return -ENOSPC;
	if (s->n == s->capacity) {
		size_t old = (size_t)s->capacity * sizeof(*s->iov);
		struct iovec *p = alloc_grow(s->heap, s->heap ? old : 0, 2 * old);

		if (!p)
			return -ENOMEM;
		if (!s->heap)
			memcpy(p, s->iov, old);
		s->heap = s->iov = p;
		s->capacity *= 2;
	}
	s->iov[s->n++] = (struct iovec){at, size};
	return 0;
}

/* Translates [bus, bus + len). 0; a positive fault reason; -ENOSPC, -ENOMEM. */
static int bus_gather(struct device *dev, struct port *port, u32 gen, u64 bus, u64 len, bool write,
		      struct bus_segments *s)
{
	while (len) {
		u64 n = min_u64(len, PAGE_BYTES - (bus & (PAGE_BYTES - 1)));
		u64 value = bus_translate(dev, port, bus >> PAGE_BITS, gen);
		int err = bus_refusal_reason(value, write);

		if (unlikely(err) && value & DEMAND_BITS) {
			err = demand_refused(value, write);
			s->demand = true;
		}
		if (!err)
			err = bus_segment_add(s, bus_host_address(value, bus), n);
		if (err)
			return err;
		bus += n;
		len -= n;
	}
	return 0;
}

/*
 * The process may have unmapped memory. This is checked before the copy, so that the access is
 * refused as a whole. If memory is unmapped during the copy, a part has been copied.
 */
static int bus_segments_copy(const struct device *dev, const struct bus_segments *s, u8 *buf,
			     bool write)
{
	for (int i = 0; i < s->n; i++) {
		const struct iovec *v = &s->iov[i];

		if (unlikely((u64)((u8 *)v->iov_base - read_once(&dev->view)) >= mem.span) &&
		    unlikely(!trap_probe(v->iov_base, v->iov_len, write)))
			return DMAMAP_FAULT_GONE;
	}
	for (int i = 0; i < s->n; i++) {
		const struct iovec *v = &s->iov[i];

		if (unlikely(write ? !copy_to_memory(v->iov_base, buf, v->iov_len)
				   : !copy_from_memory(buf, v->iov_base, v->iov_len)))
			return DMAMAP_FAULT_GONE;
		buf += v->iov_len;
	}
	return 0;
}

static __attribute__((noinline)) int access_many(struct device *dev, struct port *port, u64 bus,
						 u8 *buf, u64 len, bool write)
{
	struct iovec few[SEGMENTS_ON_STACK];
	struct bus_segments s = {.iov = few, .capacity = SEGMENTS_ON_STACK, .max = INT32_MAX};
	u32 gen = (u32)port_enter(port);
	int err = bus_gather(dev, port, gen, bus, len, write, &s);

	if (unlikely(s.demand) && !err)
		err = demand_copy(s.iov, s.n, buf, len, write);
	else if (!err)
		err = bus_segments_copy(dev, &s, buf, write);
	port_exit(port);
	alloc_free(s.heap);
	return err;
}

static slow_path int bus_access_demand(u64 value, u64 bus, u8 *buf, u64 len, bool write)
{
	struct iovec iov = {bus_host_address(value, bus), len};
	int err = demand_refused(value, write);

	return err ? err : demand_copy(&iov, 1, buf, len, write);
}

hot_inline int bus_access_one(struct device *dev, struct port *port, u64 bus, u8 *buf, u64 len,
			      bool write)
{
	u32 gen = (u32)port_enter(port);
	u64 value = bus_translate(dev, port, bus >> PAGE_BITS, gen);
	int err = bus_refusal_reason(value, write);

	if (likely(!err)) {
		if (unlikely(write ? !copy_to_memory(bus_host_address(value, bus), buf, len)
				   : !copy_from_memory(buf, bus_host_address(value, bus), len)))
			err = DMAMAP_FAULT_GONE;
	} else if (value & DEMAND_BITS) {
		err = bus_access_demand(value, bus, buf, len, write);
	}
	port_exit(port);
	return err;
}

/* On a machine that is not coherent: checks that the CPU has cleaned the lines that are read. */
static void bus_check_coherence(struct device *dev, dma_addr_t addr, size_t len)
{
	struct port *port = bus_port(dev);

	for (size_t done = 0, n; port && done < len; done += n) {
		u64 bus = addr - dev->bus_offset + done, host;
		u32 gen = (u32)port_enter(port);

		/* This lookup of the checker does not count as a hit or a miss. */
		host = dev->iommu ? iotlb_lookup(&port->tlb, bus >> PAGE_BITS, gen)
				  : bus_host_page(dev, align_down(bus, PAGE_BYTES), 0);
		host &= ~(PAGE_BYTES - 1);
		port_exit(port);
		host = host - (u64)(uintptr_t)mem.device_view + (bus & (PAGE_BYTES - 1));
		n = min_u64(len - done, PAGE_BYTES - (bus & (PAGE_BYTES - 1)));
		/* Bounce memory is written in the device view, so there is no CPU view of it. */
		if (host < mem.span && host - mem.bounce_start >= mem.bounce_size)
			check_lines(&dev->shadow, addr + done, host, n);
	}
}

static slow_path void bus_check_access(struct device *dev, dma_addr_t addr, size_t len, bool write,
				       const void *caller)
{
	check_enter(caller);
	check_access(&dev->shadow, addr, len, write, caller);
	if (!dev->coherent && !write)
		bus_check_coherence(dev, addr, len);
}

/* Calls the fault resolver and retries, until the access succeeds or is finally refused. */
static slow_path int bus_access_refused(struct device *dev, dma_addr_t addr, u8 *buf, u64 len,
					bool write, int err)
{
	struct fault_try try = {0};
	struct port *port;

	if (dev->client && err > 0 && err < DMAMAP_FAULT_ADDRESS) {
		err = dev->client->access(dev, addr, buf, len, write);
		return err > 0 ? bus_refuse(dev, addr, len, write, err) : err;
	}
	while (err > 0) {
		if (err >= DMAMAP_FAULT_ADDRESS || !fault_ask(dev, addr, len, write, &try))
			return bus_refuse(dev, addr, len, write, err);
		err = bus_check_range(dev, addr, len);
		if (err)
			continue;
		port = bus_port(dev);
		if (!port)
			return -ENOMEM;
		err = access_many(dev, port, addr - dev->bus_offset, buf, len, write);
	}
	return err;
}

hot_inline int bus_access(struct device *dev, dma_addr_t addr, u8 *buf, size_t len, bool write)
{
	struct port *port;
	u64 bus;
	int err;

	if (unlikely(!dev || !buf || !len))
		return len ? error_set(EINVAL, "bus access with no device or no buffer") : 0;
	err = bus_check_range(dev, addr, len);
	if (unlikely(err))
		return bus_refuse(dev, addr, len, write, err);
	if (unlikely(read_once(&dev->settles)))
		fault_settle(dev, addr, len);
	port = bus_port(dev);
	if (unlikely(!port))
		return -ENOMEM;
	bus = addr - dev->bus_offset;
	if (likely(len <= PAGE_BYTES - (bus & (PAGE_BYTES - 1))))
		err = bus_access_one(dev, port, bus, buf, len, write);
	else
		err = access_many(dev, port, bus, buf, len, write);
	if (unlikely(err > 0))
		err = bus_access_refused(dev, addr, buf, len, write, err);
	if (unlikely(dev->check) && !err)
		bus_check_access(dev, addr, len, write, __builtin_return_address(0));
	return err;
}

int dmamap_bus_read(struct device *dev, dma_addr_t addr, void *buf, size_t len)
{
	return bus_access(dev, addr, buf, len, false);
}

int dmamap_bus_write(struct device *dev, dma_addr_t addr, const void *buf, size_t len)
{
	return bus_access(dev, addr, (u8 *)(uintptr_t)buf, len, true);
}

/* Called inside the access, so that an unmap waits for the access or finds the hold. */
static int bus_gather_and_hold(struct device *dev, struct port *port, u64 bus, size_t len,
			       bool write, struct bus_segments *s, struct demand_copied **copied)
{
	u32 gen = (u32)port_enter(port);
	int err;

	s->n = 0;
	s->demand = false;
	err = bus_gather(dev, port, gen, bus, len, write, s);
	if (!err && s->demand)
		*copied = copied_make(s->iov, s->n, bus + dev->bus_offset, len, &err);
	else if (!err && dev->iommu)
		err = hold_add(dev, IOVA(bus), len, s->iov, s->n);
	port_exit(port);
	return err;
}

int dmamap_bus_map(struct device *dev, dma_addr_t addr, size_t len, bool write, struct iovec *iov,
		   int max)
{
	struct bus_segments s = {.iov = iov, .capacity = max, .max = max};
	struct demand_copied *copied = NULL;
	struct fault_try try = {0};
	struct port *port;
	int err;

	if (!dev || !iov || max <= 0 || !len)
		return error_set(EINVAL, "dmamap_bus_map: no device, no segments or length 0");
	do {
		err = bus_check_range(dev, addr, len);
		if (err)
			break;
		if (unlikely(read_once(&dev->settles)))
			fault_settle(dev, addr, len);
		port = bus_port(dev);
		if (!port)
			return -ENOMEM;
		err = bus_gather_and_hold(dev, port, addr - dev->bus_offset, len, write, &s,
					  &copied);
	} while (err > 0 && fault_ask(dev, addr, len, write, &try));
	if (dev->client && err > 0 && err < DMAMAP_FAULT_ADDRESS)
		copied = copied_fetch(dev, addr, len, write, &err);
	if (err > 0)
		return bus_refuse(dev, addr, len, write, err);
	if (!err && copied) {
		copied_add(dev, copied);
		iov[0] = (struct iovec){copied->bytes, len};
		s.n = 1;
	}
	if (unlikely(dev->check) && !err)
		bus_check_access(dev, addr, len, write, __builtin_return_address(0));
	return err ? err : s.n;
}

void dmamap_bus_unmap(struct device *dev, struct iovec *iov, int n, bool written)
{
	struct demand_copied *copied;

	if (!dev || !iov || n <= 0)
		return;
	if (unlikely(read_once(&dev->copied))) {
		copied = copied_take(dev, iov[0].iov_base);
		if (copied) {
			if (written)
				dmamap_bus_write(dev, copied->addr, copied->bytes, copied->len);
			copied_free(copied);
			return;
		}
	}
	/* The segments are the memory itself, so there is nothing to copy back. */
	if (dev->iommu)
		hold_drop(dev, iov, n);
}

int dmamap_bus_on_fault(struct device *dev,
			int (*resolve)(struct device *dev, dma_addr_t addr, size_t len, bool write,
				       void *arg),
			void *arg)
{
	if (!dev)
		return error_set(EINVAL, "dmamap_bus_on_fault: no device");
	fault_set(&dev->fault_table, resolve, arg);
	return 0;
}
