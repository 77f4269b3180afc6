/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. A message-signalled interrupt is a write of 4 bytes to an address that the operating
 * system chose. Ours is a word of RAM for each vector, mapped for the device like any other memory;
 * the keeper looks at these words, takes what is there by an exchange, and adds to the eventfd. Two
 * messages of a vector between two looks are one interrupt, as they may be in any system.
 *
 * How often it looks depends on when the driver last touched a register: most interrupts answer
 * that. A driver who has done nothing for long may hear of an interrupt some milliseconds late.
 *
 * A device with no messages has a line: the interrupt controller's inputs are intercepted, and QEMU
 * says when one is raised.
 */
#include "base/clock.h"
#include "base/error.h"
#include "qemu/private.h"

#include <linux/mm.h>
#include <unistd.h>

#define NO_ADDRESS_ABOVE 0xffffffffull /* MSI may have 32 bits only */
#define MESSAGE_AT	 0x10000ull    /* its device address: away from what is given out first */
#define MSI_ENABLE	 (1u << 16)
#define MSI_64BIT	 (1u << 23)
#define MSIX_ENABLE	 (1u << 31)
#define MSIX_MASK_ALL	 (1u << 30)
#define MESSAGE		 0x4d53u /* not 0 in 16 bits */
#define PIN_PCI_FIRST	 16	 /* of the interrupt controller: the lines of PCI */

int irq_take_page(struct qemu *q)
{
	q->message_page = page_alloc(__GFP_INTERNAL | __GFP_ZERO, 0, NO_ADDRESS_ABOVE);
	if (!q->message_page)
		return error_set(ENOMEM, "no page below 4 GiB for interrupt messages");
	q->message = page_address(q->message_page);
	return 0;
}

void irq_release(struct qemu *q)
{
	if (q->message_page)
		page_free(q->message_page, 0);
	q->message_page = NULL;
}

/*
 * Gives the page a device address, for good: it goes with the domain. Nothing else has an address
 * yet, and a device that runs past its buffers must not meet it.
 */
static int irq_map_page(struct qemu *q)
{
	struct domain *dom = q->dev->domain;
	u64 pa = phys_of(q->message).v;
	int err;

	q->message_addr = pa;
	if (!q->dev->iommu || q->dev->identity_mapped)
		return 0;
	q->message_addr = MESSAGE_AT;
	err = domain_iova_reserve(dom, MESSAGE_AT >> PAGE_BITS, 1);
	if (!err)
		err = dom->space.ops->map(&dom->space, IOVA(MESSAGE_AT), PHYS(pa), PAGE_BYTES,
					  PT_WRITE);
	return err ? error_set(-err, "no memory to map the page of interrupt messages") : 0;
}

static void irq_point_msix(struct qemu *q)
{
	struct function *f = &q->fn;
	u64 table = f->bar[f->table.bar].addr + f->table.offset;
	struct qtest_batch b;

	qtest_batch_start(&b, &q->qtest);
	for (unsigned int i = 0; i < f->vectors; i++) {
		u64 addr = q->message_addr + 4 * i;

		qtest_batch_write(&b, table + 16 * i, 4, (u32)addr);
		qtest_batch_write(&b, table + 16 * i + 4, 4, addr >> 32);
		qtest_batch_write(&b, table + 16 * i + 8, 4, MESSAGE);
		qtest_batch_write(&b, table + 16 * i + 12, 4, 0);
	}
	qtest_batch_send(&b);
	pci_write(q, DEVICE_SLOT, f->msix,
		  (pci_read(q, DEVICE_SLOT, f->msix) & ~MSIX_MASK_ALL) | MSIX_ENABLE);
}

/* One message: more of them differ in the data only, and would meet in one word. */
static void irq_point_msi(struct qemu *q)
{
	unsigned int at = q->fn.msi;
	u32 head = pci_read(q, DEVICE_SLOT, at);

	pci_write(q, DEVICE_SLOT, at + 4, (u32)q->message_addr);
	if (head & MSI_64BIT)
		pci_write(q, DEVICE_SLOT, at + 8, 0);
	pci_write(q, DEVICE_SLOT, at + (head & MSI_64BIT ? 12 : 8), MESSAGE);
	pci_write(q, DEVICE_SLOT, at, (head & ~(7u << 20)) | MSI_ENABLE);
}

int irq_connect(struct qemu *q)
{
	int err = irq_map_page(q);

	if (err)
		return err;
	if (q->fn.msix)
		irq_point_msix(q);
	else if (q->fn.msi)
		irq_point_msi(q);
	else if (qtest_ask(&q->qtest, NULL, "irq_intercept_in ioapic"))
		return machine_error(q);
	__atomic_store_n(&q->irq_way, q->fn.msix || q->fn.msi ? IRQ_MESSAGES : IRQ_LINE,
			 __ATOMIC_RELEASE);
	return 0;
}

static void irq_raise(struct qemu *q, unsigned int vector)
{
	const u64 one = 1;

	if (vector < q->dev->n_irq && write(q->dev->irq_fd[vector], &one, sizeof(one)) < 0)
		return; /* the counter is full: the driver has interrupts enough to see */
}

void irq_line(void *arg, unsigned int line, bool raised)
{
	if (raised && line >= PIN_PCI_FIRST)
		irq_raise(arg, 0);
}

void irq_all(struct qemu *q)
{
	if (__atomic_load_n(&q->irq_way, __ATOMIC_ACQUIRE) == IRQ_NONE)
		return;
	for (unsigned int i = 0; i < q->dev->n_irq; i++)
		irq_raise(q, i);
}

void irq_scan(struct qemu *q)
{
	if (__atomic_load_n(&q->irq_way, __ATOMIC_ACQUIRE) != IRQ_MESSAGES)
		return;
	for (unsigned int i = 0; i < q->fn.vectors; i++)
		if (read_once(&q->message[i]) &&
		    __atomic_exchange_n(&q->message[i], 0, __ATOMIC_ACQ_REL))
			irq_raise(q, i);
}

u64 irq_interval_ns(const struct qemu *q, u64 now)
{
	u64 active = read_once(&q->active_ns), quiet = now > active ? now - active : 0;

	if (read_once(&q->irq_way) != IRQ_MESSAGES)
		return 100 * NS_PER_MS;
	if (quiet < 2 * NS_PER_MS)
		return 15000;
	if (quiet < 200 * NS_PER_MS)
		return 200000;
	return quiet < 2000 * NS_PER_MS ? NS_PER_MS : 5 * NS_PER_MS;
}
