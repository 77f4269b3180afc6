/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses of the server to memory by message. The address is looked up in the page table at the
 * time of the access, so the server reaches only memory that is mapped at that time and for that
 * direction, whatever map requests it has received. An unmap clears the entries and then makes a
 * request or waits for `io`, which is held here, so no access with the old entries is in progress
 * after that.
 *
 * An access is translated completely before any byte is copied, so a refused access copies nothing.
 * The process may unmap its memory meanwhile; such an access fails as a whole, or in the middle of
 * the copy.
 */
#include "vfuclient/private.h"
#include "base/error.h"
#include "bus/copy.h"
#include "bus/demand.h"

#include <string.h>

#define SEGMENTS_MAX (VFUCLIENT_XFER_MAX / PAGE_BYTES + 1)

struct access_request {
	u64 addr, len;
	bool write;
	bool demand; /* a part of the memory may be unmapped at any time (src/odp) */
	struct iovec iov[SEGMENTS_MAX];
	int n;
};

/* Records a refused access. The keeper reports it later, because a report calls a function of the
 * program, which must not run under `io`. */
static void access_record(struct vfuclient *c, const struct access_request *r, int reason)
{
	if (c->n_faults == VFUCLIENT_FAULTS) {
		c->faults_lost++;
		return;
	}
	c->faults[c->n_faults] =
		(struct vfuclient_fault){.addr = r->addr,
					 .len = r->len,
					 .write = r->write,
					 .reason = (enum dmamap_fault_reason)reason};
	c->n_faults++;
}

/* The program's function may call the library, which then reports faults again: see below. */
static _Thread_local bool reporting;

/* When this returns, every access that was refused before the call is reported. */
void vfuclient_report_faults(struct vfuclient *c)
{
	struct vfuclient_fault faults[VFUCLIENT_FAULTS];
	unsigned int n;
	u64 lost;

	if (reporting || c->fork_depth != fork_depth)
		return;
	pthread_mutex_lock(&c->report_lock);
	pthread_mutex_lock(&c->io);
	n = c->n_faults;
	lost = c->faults_lost;
	memcpy(faults, c->faults, n * sizeof(faults[0]));
	c->n_faults = 0;
	c->faults_lost = 0;
	pthread_mutex_unlock(&c->io);
	reporting = true;
	for (unsigned int i = 0; i < n; i++)
		device_fault(c->dev, faults[i].addr, faults[i].len, faults[i].write,
			     faults[i].reason);
	reporting = false;
	lock_acquire(&c->dev->fault_lock);
	c->dev->faults_seen += lost;
	c->dev->faults_lost += lost;
	lock_release(&c->dev->fault_lock);
	pthread_mutex_unlock(&c->report_lock);
}

/* Returns 0, or the reason why the entry refuses the access. */
static int access_refusal(u64 entry, bool write)
{
	if (!entry)
		return DMAMAP_FAULT_NOT_MAPPED;
	if (entry & (write ? PT_WRITE : PT_READ))
		return 0;
	return write ? DMAMAP_FAULT_NO_WRITE : DMAMAP_FAULT_NO_READ;
}

static void access_add(struct access_request *r, u8 *at, u64 size)
{
	struct iovec *last = r->n ? &r->iov[r->n - 1] : NULL;

	if (last && (u8 *)last->iov_base + last->iov_len == at)
		last->iov_len += size;
	else
		r->iov[r->n++] = (struct iovec){at, size};
}

/* Translates the range. 0, or a reason. The limit of the length bounds it to SEGMENTS_MAX pages. */
static int access_translate(struct pt *pt, struct access_request *r, u64 bus)
{
	for (u64 done = 0, n; done < r->len; done += n) {
		u64 at = bus + done, entry = pt_walk(pt, IOVA(at)), pa = entry & PT_ADDR;
		int reason = access_refusal(entry, r->write);

		if (reason)
			return reason;
		if (!(pa & PHYS_FOREIGN) && pa >= mem.low && (pa < MEM_DMA32_END || pa >= mem.span))
			return DMAMAP_FAULT_NOT_MAPPED;
		n = min_u64(r->len - done, PAGE_BYTES - (at & (PAGE_BYTES - 1)));
		r->demand |= (entry & PT_ON_DEMAND) != 0;
		access_add(r, (u8 *)phys_ptr(PHYS(pa)) + (at & (PAGE_BYTES - 1)), n);
	}
	return 0;
}

static int access_copy(struct access_request *r, u8 *buf)
{
	if (r->demand)
		return demand_copy(r->iov, r->n, buf, r->len, r->write);
	trap_thread();
	for (int i = 0; i < r->n; i++)
		if (!phys_is_ram(phys_of(r->iov[i].iov_base)) &&
		    !trap_probe(r->iov[i].iov_base, r->iov[i].iov_len, r->write))
			return DMAMAP_FAULT_GONE;
	for (int i = 0; i < r->n; i++) {
		const struct iovec *v = &r->iov[i];

		if (!(r->write ? copy_to_memory(v->iov_base, buf, v->iov_len)
			       : copy_from_memory(buf, v->iov_base, v->iov_len)))
			return DMAMAP_FAULT_GONE;
		buf += v->iov_len;
	}
	return 0;
}

/* Performs the access. Returns 0 or a positive errno. */
static int access_perform(struct vfuclient *c, struct access_request *r, u8 *buf)
{
	struct domain *dom = c->dev->domain;
	u64 bus = r->addr - c->dev->bus_offset;
	unsigned int side;
	int reason = DMAMAP_FAULT_ADDRESS;

	if (!dom) /* the device is being opened */
		return EFAULT;
	if (range_within(bus, r->len, 1ull << PT_IOVA_BITS)) {
		side = pt_walk_enter(&dom->pt);
		reason = access_translate(&dom->pt, r, bus);
		pt_walk_exit(&dom->pt, side);
		if (!reason)
			reason = access_copy(r, buf);
	}
	if (!reason)
		return 0;
	if (reason < 0)
		return -reason;
	access_record(c, r, reason);
	return EFAULT;
}

/* Checks the message: the payload is the structure, and for a write the data. Positive errno. */
static int access_check(const struct vfuser_message *m, struct vfuser_dma_access *a, bool write)
{
	if (m->size < sizeof(*a))
		return EINVAL;
	memcpy(a, m->data, sizeof(*a));
	if (!a->count || a->count > VFUCLIENT_XFER_MAX || a->count - 1 > ~a->address)
		return EINVAL;
	return m->size - sizeof(*a) == (write ? a->count : 0) ? 0 : EINVAL;
}

int vfuclient_access(struct vfuclient *c, const struct vfuser_message *m, u32 *reply_size)
{
	struct access_request r = {.write = m->head.command == VFUSER_DMA_WRITE};
	struct vfuser_dma_access a;
	int err;

	if (m->head.command != VFUSER_DMA_READ && !r.write)
		return EOPNOTSUPP;
	err = access_check(m, &a, r.write);
	if (err)
		return err;
	r.addr = a.address;
	r.len = a.count;
	err = access_perform(c, &r, (r.write ? c->in_data : c->out_data) + sizeof(a));
	if (err)
		return err;
	memcpy(c->out_data, &a, sizeof(a));
	*reply_size = (u32)(sizeof(a) + (r.write ? 0 : a.count));
	return 0;
}
