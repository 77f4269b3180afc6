/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a device that all layers use: faults, counters, and the records of its threads. */
#include "domain/device.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/name.h"
#include "base/trap.h"
#include "check/check.h"

#include <stddef.h>

_Static_assert(offsetof(struct device, link_limits) == offsetof(struct device_head, link_limits) &&
		       offsetof(struct device, name) == offsetof(struct device_head, name),
	       "dev_name() reads the head of a device");

static const char *const reasons[] = {
	[DMAMAP_FAULT_NOT_MAPPED] = "nothing is mapped there",
	[DMAMAP_FAULT_NO_READ] = "the mapping is DMA_FROM_DEVICE, so the device may not read it",
	[DMAMAP_FAULT_NO_WRITE] = "the mapping is DMA_TO_DEVICE, so the device may not write it",
	[DMAMAP_FAULT_ADDRESS] = "it is beyond the device's address lines",
	[DMAMAP_FAULT_STUCK] = "the device was declared stuck",
	[DMAMAP_FAULT_GONE] = "the process has unmapped or protected the memory, or truncated its "
			      "file, while it is mapped for the device",
	[DMAMAP_FAULT_NO_MASTER] =
		"the driver has switched bus mastering off (bit 2 of the command "
		"register, pci_set_master())",
};

bool device_no_register(const struct device *dev, int bar, u64 offset, unsigned int size)
{
	error_set(EINVAL, "%s: there is no register of %u bytes at BAR %d offset %#llx", dev->name,
		  size, bar, (unsigned long long)offset);
	return false;
}

int device_fault(struct device *dev, dma_addr_t addr, size_t len, bool write,
		 enum dmamap_fault_reason reason)
{
	struct dmamap_fault f = {
		.addr = addr, .len = len, .write = write, .reason = reason, .when_ns = clock_ns()};

	lock_acquire(&dev->fault_lock);
	dev->faults_seen++;
	if (dev->fault_count < FAULTS_KEPT)
		dev->faults[(dev->fault_head + dev->fault_count++) % FAULTS_KEPT] = f;
	else
		dev->faults_lost++;
	lock_release(&dev->fault_lock);
	if (dev->client)
		dev->client->fault(dev, &f);
	if (dev->check && reason == DMAMAP_FAULT_GONE)
		check_gone(&dev->shadow, addr, len, write, reasons[reason]);
	else if (dev->check)
		check_refused(&dev->shadow, addr, len, write,
			      reason == DMAMAP_FAULT_NO_READ || reason == DMAMAP_FAULT_NO_WRITE,
			      reasons[reason], NULL);
	if (len)
		check_report(dev, false, DMAMAP_CHECK_DEVICE_FAULT, addr, len, DMA_NONE,
			     "the device's %s of %zu bytes at %#llx was refused: %s",
			     write ? "write" : "read", len, (unsigned long long)addr,
			     reasons[reason]);
	else
		check_report(dev, false, DMAMAP_CHECK_DEVICE_FAULT, addr, len, DMA_NONE,
			     "the device's %s in the page at %#llx was refused: %s",
			     write ? "write" : "read", (unsigned long long)addr, reasons[reason]);
	return -EFAULT;
}

int dmamap_bus_fault_next(struct device *dev, struct dmamap_fault *f)
{
	int found = 0;

	if (!dev || !f)
		return error_set(EINVAL,
				 "dmamap_bus_fault_next: no device or no place for the fault");
	dev->ops.collect_faults(dev);
	lock_acquire(&dev->fault_lock);
	if (dev->fault_count) {
		*f = dev->faults[dev->fault_head];
		dev->fault_head = (dev->fault_head + 1) % FAULTS_KEPT;
		dev->fault_count--;
		found = 1;
	}
	lock_release(&dev->fault_lock);
	return found;
}

void device_declare_stuck(struct device *dev, iova_t iova, u64 size)
{
	dma_addr_t addr = iova.v + dev->bus_offset;
	struct check_history history = {0};

	__atomic_fetch_or(&dev->stuck, DEVICE_STUCK, __ATOMIC_SEQ_CST);
	if (dev->check)
		check_provenance(&dev->shadow, addr, "mapped", "unmapped", &history);
	check_report_history(
		dev, dev->check, DMAMAP_CHECK_DEVICE_STUCK, addr, size, DMA_NONE, &history,
		"the device held segments of %#llx for over a second while they were unmapped: "
		"declared stuck, its accesses fail from now on",
		(unsigned long long)addr);
}

void device_set_master(struct device *dev, bool on)
{
	if (on)
		__atomic_fetch_and(&dev->stuck, (u8)~DEVICE_NO_MASTER, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&dev->stuck, DEVICE_NO_MASTER, __ATOMIC_SEQ_CST);
}

void device_set_mask(struct device *dev, u64 mask)
{
	u64 last = mask < dev->bus_offset ? 0 : mask - dev->bus_offset;

	lock_acquire(&dev->mask_lock);
	write_once(&dev->dma_mask, mask);
	write_once(&dev->dma_last, last);
	write_once(&dev->identity_end, dev->identity && last ? min_u64(last, mem.span - 1) + 1 : 0);
	lock_release(&dev->mask_lock);
}

static void device_counters_add(struct device_thread *to, const struct device_thread *from)
{
	to->unmaps += read_once(&from->unmaps);
	to->ranges_taken += read_once(&from->ranges_taken);
	to->ranges_given += read_once(&from->ranges_given);
	to->more_segments += read_once(&from->more_segments);
	to->bounced_bytes += read_once(&from->bounced_bytes);
	to->bounce_full += read_once(&from->bounce_full);
	for (int i = 0; i < DMAMAP_SIZE_CLASSES; i++)
		to->map_sizes[i] += read_once(&from->map_sizes[i]);
}

static void device_thread_retire(struct tslot_key *key, struct tslot *s)
{
	struct device *dev = container_of(key, struct device, threads);
	struct device_thread *t = (struct device_thread *)s;

	lock_acquire(&dev->total_lock);
	device_counters_add(&dev->total, t);
	write_once(&t->unmaps, 0);
	write_once(&t->ranges_taken, 0);
	write_once(&t->ranges_given, 0);
	write_once(&t->more_segments, 0);
	write_once(&t->bounced_bytes, 0);
	write_once(&t->bounce_full, 0);
	for (int i = 0; i < DMAMAP_SIZE_CLASSES; i++)
		write_once(&t->map_sizes[i], 0);
	lock_release(&dev->total_lock);
}

static void device_port_attach(struct tslot_key *key, struct tslot *s)
{
	struct device_port *p = (struct device_port *)s;

	p->dev = container_of(key, struct device, ports);
	trap_begin_use();
	p->port = port_get(&p->dev->domain->ports);
}

static void device_port_retire(struct tslot_key *key, struct tslot *s)
{
	struct device_port *p = (struct device_port *)s;
	struct device *dev = container_of(key, struct device, ports);

	if (!p->port)
		return;
	lock_acquire(&dev->total_lock);
	dev->total_hits += p->port->hits;
	dev->total_misses += p->port->misses;
	lock_release(&dev->total_lock);
	port_put(&dev->domain->ports, p->port);
	write_once(&p->port, NULL);
}

int device_threads_init(struct device *dev)
{
	int err = tslot_key_init(&dev->threads, sizeof(struct device_thread), NULL,
				 device_thread_retire);

	if (err)
		return err;
	err = tslot_key_init(&dev->ports, sizeof(struct device_port), device_port_attach,
			     device_port_retire);
	if (err)
		tslot_key_destroy(&dev->threads);
	else
		fault_table_init(&dev->fault_table);
	return err;
}

void device_threads_fini(struct device *dev)
{
	tslot_key_destroy(&dev->ports);
	tslot_key_destroy(&dev->threads);
	fault_table_fini(&dev->fault_table);
}

static void device_ports_count(struct device *dev, struct dmamap_stats *out)
{
	out->iotlb_hits = dev->total_hits;
	out->iotlb_misses = dev->total_misses;
	for (struct tslot *s = tslot_first(&dev->ports); s; s = tslot_next(s)) {
		struct port *p = read_once(&((struct device_port *)s)->port);

		if (p) {
			out->iotlb_hits += read_once(&p->hits);
			out->iotlb_misses += read_once(&p->misses);
		}
	}
}

void device_stats(struct device *dev, struct dmamap_stats *out)
{
	struct device_thread sum = {0};

	dev->ops.collect_faults(dev);
	tslot_lock(); /* so that every thread is counted once */
	lock_acquire(&dev->total_lock);
	device_counters_add(&sum, &dev->total);
	for (struct tslot *s = tslot_first(&dev->threads); s; s = tslot_next(s))
		device_counters_add(&sum, (struct device_thread *)s);
	device_ports_count(dev, out);
	lock_release(&dev->total_lock);
	tslot_unlock();
	out->unmaps = sum.unmaps;
	out->iova_ranges = sum.ranges_taken - sum.ranges_given;
	out->bounced_bytes = sum.bounced_bytes;
	out->bounce_full = sum.bounce_full;
	out->maps = 0;
	for (int i = 0; i < DMAMAP_SIZE_CLASSES; i++) {
		out->map_sizes[i] = sum.map_sizes[i];
		out->maps += sum.map_sizes[i];
	}
	out->segments = out->maps + sum.more_segments;
	lock_acquire(&dev->fault_lock);
	out->faults = dev->faults_seen;
	out->faults_lost = dev->faults_lost;
	lock_release(&dev->fault_lock);
	out->coherent_bytes = read_once(&dev->coherent_bytes);
	out->iotlb_flushes = read_once(&dev->domain->ports.flushes);
	if (dev->domain->iova) {
		struct backend_counts counts = {0};
		struct iova_stats iova;

		dev->domain->ops.count(&dev->domain->space, &counts);
		out->kernel_maps = counts.maps;
		out->kernel_unmaps = counts.unmaps;
		out->kernel_unmap_errors = counts.refused;
		out->kernel_maps_left = counts.left;

		iova_stats(dev->domain->iova, &iova);
		out->iova_pages = iova.pages;
		out->table_pages = read_once(&dev->domain->pt.tables);
	}
}
