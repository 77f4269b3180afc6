/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSI-X table and the pending bits of a simulated device (PCI Express Base Specification,
 * "MSI-X Capability and Table Structure"). Addresses and data of the table are stored and have no
 * effect, since messages are eventfds. While the mask bit of a vector is set, a message sets the
 * pending bit instead, and is sent when the vector is unmasked.
 *
 * `lock` orders a message and a change of its mask, so that no message is lost: it is sent, or the
 * thread that unmasks the vector finds its pending bit. A message of a vector that is not masked
 * needs no lock.
 */
#include "base/alloc.h"
#include "base/lock.h"
#include "base/math.h"
#include "device/model.h"

#include <errno.h>
#include <string.h>

#define ENTRY_BYTES 16u
#define ENTRY_WORDS 4u
#define CONTROL	    3u /* the word of an entry with the mask bit */
#define MASKED	    1u
#define SETS	    32u /* of 64 bits, for 2048 vectors */

struct model_msix {
	struct lock lock;
	unsigned int n;
	u64 masked[SETS];  /* changed under lock, read by any thread */
	u64 pending[SETS]; /* under lock */
	u32 table[];	   /* under lock */
};

int msix_make(struct device *dev)
{
	const unsigned int n = dev->model->pci.msix;
	struct model_msix *m;

	if (!n)
		return 0;
	m = alloc_zeroed(sizeof(*m) + (size_t)n * ENTRY_BYTES);
	if (!m)
		return -ENOMEM;
	m->n = n;
	dev->model_state->msix = m;
	return 0;
}

void msix_begin(struct device *dev, unsigned int n)
{
	struct model_msix *m = dev->model_state ? dev->model_state->msix : NULL;

	if (!m)
		return;
	lock_acquire(&m->lock);
	memset(m->pending, 0, sizeof(m->pending));
	for (unsigned int i = 0; i < m->n; i++) {
		const u64 bit = 1ull << i % 64, old = m->masked[i / 64];

		m->table[i * ENTRY_WORDS + CONTROL] = i < n ? 0 : MASKED;
		write_once(&m->masked[i / 64], i < n ? old & ~bit : old | bit);
	}
	lock_release(&m->lock);
}

void msix_clear_pending(struct device *dev)
{
	struct model_msix *m = dev->model_state->msix;

	if (!m)
		return;
	lock_acquire(&m->lock);
	memset(m->pending, 0, sizeof(m->pending));
	lock_release(&m->lock);
}

bool msix_hold(struct device *dev, unsigned int vector)
{
	struct model_msix *m = dev->model_state->msix;
	const u64 bit = 1ull << vector % 64;
	bool held;

	if (!m || vector >= m->n || likely(!(read_acquire(&m->masked[vector / 64]) & bit)))
		return false;
	lock_acquire(&m->lock);
	held = m->masked[vector / 64] & bit;
	if (held)
		m->pending[vector / 64] |= bit;
	lock_release(&m->lock);
	return held;
}

/* Returns whether the message was pending and must be sent. Under lock. */
static bool msix_control(struct model_msix *m, unsigned int vector, u32 value)
{
	const u64 bit = 1ull << vector % 64;
	const unsigned int set = vector / 64;
	bool due;

	m->table[vector * ENTRY_WORDS + CONTROL] = value & MASKED;
	write_release(&m->masked[set],
		      value & MASKED ? m->masked[set] | bit : m->masked[set] & ~bit);
	if (value & MASKED)
		return false;
	due = m->pending[set] & bit;
	m->pending[set] &= ~bit;
	return due;
}

static void msix_write_word(struct device *dev, unsigned int word, u32 value)
{
	struct model_msix *m = dev->model_state->msix;
	bool due = false;

	lock_acquire(&m->lock);
	if (word % ENTRY_WORDS == CONTROL)
		due = msix_control(m, word / ENTRY_WORDS, value);
	else
		m->table[word] = value;
	lock_release(&m->lock);
	if (due)
		dmamap_model_interrupt(dev, word / ENTRY_WORDS);
}

static bool msix_in_table(const struct device *dev, int bar, u64 offset, u64 *at)
{
	const struct dmamap_model_pci *p = &dev->model->pci;

	*at = offset - p->table_offset;
	return bar == p->table_bar && offset >= p->table_offset && *at < p->msix * ENTRY_BYTES;
}

static bool msix_in_pending(const struct device *dev, int bar, u64 offset, u64 *at)
{
	const struct dmamap_model_pci *p = &dev->model->pci;

	*at = offset - p->pba_offset;
	return bar == p->pba_bar && offset >= p->pba_offset && *at < (p->msix + 63u) / 64 * 8;
}

bool msix_read(struct device *dev, int bar, u64 offset, unsigned int size, u64 *value)
{
	struct model_msix *m = dev->model_state->msix;
	const bool in_table = msix_in_table(dev, bar, offset, value);
	u64 at = *value, v;

	if (!in_table && !msix_in_pending(dev, bar, offset, &at)) {
		*value = ~0ull;
		return false;
	}
	if (size < 4) { /* the specification permits accesses of 4 and 8 bytes only */
		*value = ~0ull;
		return true;
	}
	lock_acquire(&m->lock);
	if (in_table)
		v = m->table[at / 4] | (size == 8 ? (u64)m->table[at / 4 + 1] << 32 : 0);
	else
		v = m->pending[at / 8] >> at % 8 * 8;
	lock_release(&m->lock);
	*value = size == 8 ? v : (u32)v;
	return true;
}

bool msix_write(struct device *dev, int bar, u64 offset, unsigned int size, u64 value)
{
	u64 at;

	if (!msix_in_table(dev, bar, offset, &at))
		return msix_in_pending(dev, bar, offset, &at);
	if (size >= 4)
		msix_write_word(dev, (unsigned int)at / 4, (u32)value);
	if (size == 8)
		msix_write_word(dev, (unsigned int)at / 4 + 1, (u32)(value >> 32));
	return true;
}
