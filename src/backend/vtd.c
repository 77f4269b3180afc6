/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes over a VT-d unit and releases it, and reads its fault records. Invalidation is in
 * vtd_queue.c.
 *
 * The driver uses four pages of RAM: the root table, the context table of bus 0, the invalidation
 * queue, and a page whose first word the unit writes when it has executed a wait descriptor. The
 * values of registers are checked: if the offset of the IOTLB registers or of the fault registers
 * is beyond the register page, vtd_create() fails with ENODEV.
 */
#include "backend/vtd.h"
#include "backend/vtd_private.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#include <linux/mm.h>
#include <sched.h>

#define REGISTERS_END  0x10000u
#define ANSWER_NS      NS_PER_S
#define FAULTS_AT_ONCE 1024 /* a unit that reports faults without end must not block a thread */

u64 vtd_read(const struct vtd *v, u32 offset, unsigned int size)
{
	return v->io.read(v->io.priv, offset, size);
}

void vtd_write(const struct vtd *v, u32 offset, unsigned int size, u64 value)
{
	v->io.write(v->io.priv, offset, size, value);
}

bool vtd_until(const struct vtd *v, u32 offset, unsigned int size, u64 mask, u64 value)
{
	u64 began = clock_ns();

	while ((vtd_read(v, offset, size) & mask) != value) {
		if (v->io.gone(v->io.priv) || clock_ns() - began > ANSWER_NS)
			return false;
		sched_yield();
	}
	return true;
}

/* Writes a command to GCMD and waits until GSTS shows it (`on`: set, else cleared). */
static int vtd_command(struct vtd *v, u32 bit, bool on, const char *what)
{
	u32 kept = (u32)vtd_read(v, VTD_GSTS, 4) & GSTS_KEPT;

	vtd_write(v, VTD_GCMD, 4, on ? kept | bit : kept & ~bit);
	if (vtd_until(v, VTD_GSTS, 4, bit, on ? bit : 0))
		return 0;
	return error_set(EIO, "the VT-d unit did not complete the command to %s within a second",
			 what);
}

static int vtd_read_limits(struct vtd *v, const struct vtd_config *config)
{
	u64 cap = vtd_read(v, VTD_CAP, 8), ecap = vtd_read(v, VTD_ECAP, 8);

	if (!cap || cap == ~0ull || (u32)vtd_read(v, VTD_VER, 4) == ~0u)
		return error_set(ENODEV, "no VT-d unit responds at its register address");
	if (ECAP_IRO(ecap) + 16 > REGISTERS_END || CAP_FRO(cap) + 16 * CAP_NFR(cap) > REGISTERS_END)
		return error_set(ENODEV,
				 "VT-d's capability registers contradict each other: %#llx, %#llx",
				 (unsigned long long)cap, (unsigned long long)ecap);
	v->limits.iova_bits = cap & CAP_SAGAW_48 ? 48 : 39;
	if (!(cap & (CAP_SAGAW_48 | CAP_SAGAW_39)) || CAP_MGAW(cap) < 32)
		return error_set(ENOTSUP,
				 "this VT-d unit supports page tables of neither 4 nor 3 levels");
	if (CAP_MGAW(cap) < v->limits.iova_bits)
		v->limits.iova_bits = CAP_MGAW(cap);
	v->four_levels = cap & CAP_SAGAW_48;
	v->limits.leaf_shift = cap & CAP_SLLPS_2M ? (cap & CAP_SLLPS_1G ? 30 : 21) : 12;
	v->limits.flush_after_map = cap & (CAP_CM | CAP_RWBF);
	v->write_buffer = cap & CAP_RWBF;
	v->queued = (ecap & ECAP_QI) && !config->registers;
	v->iotlb = ECAP_IRO(ecap);
	v->faults = CAP_FRO(cap);
	v->n_faults = CAP_NFR(cap);
	v->by_page = cap & CAP_PSI;
	v->mask_max = CAP_MAMV(cap);
	v->drain = (cap & CAP_DWD ? INV_DW : 0) | (cap & CAP_DRD ? INV_DR : 0);
	return 0;
}

static struct page *vtd_page_alloc(void)
{
	return page_alloc(__GFP_INTERNAL | __GFP_ZERO, 0, ~0ull);
}

static void vtd_page_free(struct page *page)
{
	if (page)
		page_free(page, 0);
}

static int vtd_alloc_tables(struct vtd *v)
{
	for (unsigned int i = 0; i < VTD_PAGES; i++) {
		v->page[i] = vtd_page_alloc();
		if (!v->page[i])
			return error_set(ENOMEM,
					 "no memory for VT-d's tables: close a device or give the "
					 "machine more RAM");
	}
	v->root = page_address(v->page[VTD_ROOT]);
	v->context = page_address(v->page[VTD_CONTEXT]);
	v->queue = page_address(v->page[VTD_QUEUE]);
	v->done = page_address(v->page[VTD_DONE]);
	v->root[0] = phys_of(v->context).v | ENTRY_PRESENT;
	return 0;
}

/* Switches the unit off, as it is after reset. Firmware may have left it on. */
static int vtd_quiesce(struct vtd *v)
{
	u32 status = (u32)vtd_read(v, VTD_GSTS, 4);
	int err = 0;

	if (status & GCMD_TE)
		err = vtd_command(v, GCMD_TE, false, "stop translating");
	if (!err && (status & GCMD_QIE))
		err = vtd_command(v, GCMD_QIE, false, "stop its invalidation queue");
	vtd_write(v, VTD_FECTL, 4, FECTL_MASK);
	return err;
}

static int vtd_start(struct vtd *v)
{
	int err;

	vtd_write(v, VTD_RTADDR, 8, phys_of(v->root).v);
	err = vtd_command(v, GCMD_SRTP, true, "take the root table");
	if (!err && v->queued) {
		vtd_write(v, VTD_IQT, 8, 0);
		vtd_write(v, VTD_IQA, 8, phys_of(v->queue).v);
		err = vtd_command(v, GCMD_QIE, true, "start its invalidation queue");
	}
	if (!err)
		err = vtd_forget_contexts(v);
	if (!err)
		err = vtd_command(v, GCMD_TE, true, "translate");
	return err;
}

static void vtd_free_parts(struct vtd *v)
{
	for (unsigned int i = 0; i < VTD_PAGES; i++)
		vtd_page_free(v->page[i]);
	pthread_mutex_destroy(&v->lock);
	alloc_free(v);
}

struct vtd *vtd_create(const struct vtd_io *io, const struct vtd_config *config)
{
	struct vtd *v = alloc_zeroed(sizeof(*v));
	int err;

	if (!v)
		return NULL;
	v->io = *io;
	pthread_mutex_init(&v->lock, NULL);
	err = vtd_read_limits(v, config);
	if (!err)
		err = vtd_alloc_tables(v);
	if (!err)
		err = vtd_quiesce(v);
	if (!err)
		err = vtd_start(v);
	if (err) {
		vtd_destroy(v);
		errno = -err;
		return NULL;
	}
	return v;
}

void vtd_destroy(struct vtd *v)
{
	if (!v)
		return;
	if (v->root && !v->io.gone(v->io.priv) && vtd_quiesce(v))
		v->io.give_up(v->io.priv); /* it may still read the tables */
	vtd_free_parts(v);
}

const struct vtd_limits *vtd_limits(const struct vtd *v)
{
	return &v->limits;
}

/*
 * For a unit with three levels, the table that the first entry of the four-level root refers to is
 * used. That table is never freed: every open device keeps a page mapped below 2^39.
 */
int vtd_attach(struct vtd *v, u16 source, const struct pt *pt)
{
	u64 table = phys_of(pt->root).v, *entry = &v->context[2 * (source & 0xff)];

	if (source >> 8)
		return error_set(ENOTSUP, "VT-d: only functions on bus 0 are supported");
	if (!v->four_levels) {
		u64 first = read_acquire(&pt->root[0]);

		if (!(first & PT_PRESENT))
			return error_set(EIO, "VT-d: nothing is mapped below 2^39 yet");
		table = first & PT_ADDR;
	}
	write_once(&entry[1],
		   (v->four_levels ? CONTEXT_AW_48 : CONTEXT_AW_39) | CONTEXT_DID(VTD_DOMAIN));
	write_release(&entry[0], table | ENTRY_PRESENT); /* translation type 0: second stage only */
	return vtd_forget_contexts(v);
}

/* Reads one fault record and clears it. False: the record is empty. */
static bool vtd_take_fault(const struct vtd *v, u32 at, struct vtd_fault *f)
{
	u64 high = vtd_read(v, at + 8, 8), low;

	if (!(high & FRCD_FAULT) || high == ~0ull)
		return false;
	low = vtd_read(v, at, 8);
	*f = (struct vtd_fault){.addr = low & ~(PAGE_BYTES - 1),
				.source = FRCD_SOURCE(high),
				.reason = FRCD_REASON(high),
				.write = !(high & FRCD_READ)};
	vtd_write(v, at + 12, 4, (u32)(FRCD_FAULT >> 32)); /* writing the bit clears it */
	return true;
}

int vtd_faults(struct vtd *v, void (*fn)(void *arg, const struct vtd_fault *f), void *arg,
	       bool *lost)
{
	u32 status = (u32)vtd_read(v, VTD_FSTS, 4);
	unsigned int index;
	struct vtd_fault f;
	int n = 0;

	*lost = false;
	if (v->io.gone(v->io.priv) || status == ~0u)
		return -EIO;
	if (!(status & (FSTS_PENDING | FSTS_OVERFLOW)))
		return 0;
	index = FSTS_RECORD(status) % v->n_faults;
	while (n < FAULTS_AT_ONCE && vtd_take_fault(v, v->faults + 16 * index, &f)) {
		fn(arg, &f);
		index = (index + 1) % v->n_faults;
		n++;
	}
	*lost = status & FSTS_OVERFLOW;
	if (*lost)
		vtd_write(v, VTD_FSTS, 4, FSTS_OVERFLOW);
	return n;
}
