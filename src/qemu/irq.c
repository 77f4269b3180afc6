/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts. A message-signalled interrupt is a write of 4 bytes to an address that the operating
 * system chooses. The library uses a word of RAM for each vector and maps it for the device like
 * any other memory. The keeper reads these words, clears them by an exchange, and adds to the
 * eventfd. Two messages of one vector between two scans are one interrupt, as in any system.
 *
 * The scan interval depends on when the driver last accessed a register, since most interrupts
 * follow such an access. If the driver has been idle for long, an interrupt may be delivered some
 * milliseconds late.
 *
 * A device without messages has a line: the inputs of the interrupt controller are intercepted, and
 * QEMU reports when one is raised.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/math.h"
#include "qemu/private.h"

#include <linux/mm.h>
#include <unistd.h>

#define NO_ADDRESS_ABOVE 0xffffffffull /* an MSI address may have 32 bits only */
/* The device address of the page of messages, far from those that the allocator hands out first. */
#define MESSAGE_AT    0x10000ull
#define MSI_ENABLE    (1u << 16)
#define MSI_64BIT     (1u << 23)
#define MSIX_ENABLE   (1u << 31)
#define MSIX_MASK_ALL (1u << 30)
#define MESSAGE	      0x4d53u /* the message's data must not be 0 in its low 16 bits */
#define PIN_PCI_FIRST 16      /* the first input of the interrupt controller that belongs to PCI */
#define PIN_LAST      63
#define SETTLE_MS     20

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
 * Maps the page at a device address until the domain is destroyed. Nothing else is mapped yet. A
 * device that overruns its buffers must not reach the page.
 */
int qemu_irq_connect(struct qemu *q)
{
	struct domain *dom = q->dev->domain;
	u64 pa = phys_of(q->message).v;
	int err;

	q->message_addr = pa;
	if (!device_translates_ram(q->dev))
		return 0;
	q->message_addr = MESSAGE_AT;
	err = domain_iova_reserve(dom, MESSAGE_AT >> PAGE_BITS, 1);
	if (!err)
		err = dom->space.ops->map(&dom->space, IOVA(MESSAGE_AT), PHYS(pa), PAGE_BYTES,
					  PT_WRITE);
	return err ? error_set(-err, "no memory to map the page of interrupt messages") : 0;
}

/* Unmasks the first n messages of the table and masks the others. */
static void irq_point_msix(struct qemu *q, unsigned int n)
{
	struct qemu_function *f = &q->fn;
	u64 table = f->bar[f->table.bar].addr + f->table.offset;
	struct qtest_batch b;

	qtest_batch_start(&b, &q->qtest);
	for (unsigned int i = 0; i < f->vectors; i++) {
		u64 addr = q->message_addr + 4 * i;

		qtest_batch_write(&b, table + 16 * i, 4, (u32)addr);
		qtest_batch_write(&b, table + 16 * i + 4, 4, addr >> 32);
		qtest_batch_write(&b, table + 16 * i + 8, 4, MESSAGE);
		qtest_batch_write(&b, table + 16 * i + 12, 4, i >= n);
	}
	qtest_batch_send(&b);
	pci_write(q, DEVICE_SLOT, f->msix,
		  (pci_read(q, DEVICE_SLOT, f->msix) & ~MSIX_MASK_ALL) | MSIX_ENABLE);
}

/*
 * One message only: several would differ only in their data, and would be written to the same word.
 */
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

/*
 * e1000e of QEMU 7.2 ends QEMU if MSI-X is enabled or disabled while the card delays an interrupt.
 * The delay is at most 17 ms.
 */
static void qemu_irq_settle(struct qemu *q)
{
	u64 came = read_once(&q->irq_ns), now = clock_ns();
	struct timespec t = {0};

	if (!came || now >= came + SETTLE_MS * NS_PER_MS)
		return;
	t.tv_nsec = (long)(came + SETTLE_MS * NS_PER_MS - now);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/*
 * Stops all messages and discards those that were sent. The line may still be asserted. If MSI-X is
 * also the next kind, it stays enabled with all messages masked.
 */
static void qemu_irq_quiet(struct qemu *q, enum dmamap_irq_kind next)
{
	struct qemu_function *f = &q->fn;

	__atomic_store_n(&q->irq_way, IRQ_NONE, __ATOMIC_RELEASE);
	qemu_function_line(q, false);
	if (f->msix)
		pci_write(q, DEVICE_SLOT, f->msix,
			  pci_read(q, DEVICE_SLOT, f->msix) | MSIX_MASK_ALL);
	if ((q->dev->irq_kind == DMAMAP_IRQ_MSIX) != (next == DMAMAP_IRQ_MSIX))
		qemu_irq_settle(q);
	if (f->msix && next != DMAMAP_IRQ_MSIX)
		pci_write(q, DEVICE_SLOT, f->msix,
			  pci_read(q, DEVICE_SLOT, f->msix) & ~(MSIX_ENABLE | MSIX_MASK_ALL));
	if (f->msi)
		pci_write(q, DEVICE_SLOT, f->msi, pci_read(q, DEVICE_SLOT, f->msi) & ~MSI_ENABLE);
	qtest_flush(&q->qtest);
	for (unsigned int i = 0; i < f->vectors; i++)
		__atomic_store_n(&q->message[i], 0, __ATOMIC_RELAXED);
}

enum dmamap_irq_kind qemu_irq_best_kind(const struct qemu *q)
{
	if (q->options.intx)
		return DMAMAP_IRQ_INTX;
	return q->fn.msix ? DMAMAP_IRQ_MSIX : q->fn.msi ? DMAMAP_IRQ_MSI : DMAMAP_IRQ_INTX;
}

static bool qemu_irq_has_kind(const struct qemu *q, enum dmamap_irq_kind kind)
{
	return kind == DMAMAP_IRQ_MSIX	? q->fn.msix
	       : kind == DMAMAP_IRQ_MSI ? q->fn.msi
					: q->fn.line;
}

/* Wakes the keeper, which may sleep for a long time without reading the state of the line. */
static void qemu_irq_wake_keeper(struct qemu *q)
{
	const u64 one = 1;

	if (write(q->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full, so the keeper is awake */
}

int qemu_irq_setup(struct qemu *q, enum dmamap_irq_kind kind, unsigned int vectors)
{
	unsigned int n =
		kind == DMAMAP_IRQ_MSIX ? (unsigned int)min_u64(vectors, q->fn.vectors) : 1;

	if (!qemu_irq_has_kind(q, kind))
		return error_set(EOPNOTSUPP, "%s: the device has no %s", q->dev->name,
				 kind == DMAMAP_IRQ_MSIX  ? "MSI-X"
				 : kind == DMAMAP_IRQ_MSI ? "MSI"
							  : "interrupt line");
	qemu_irq_quiet(q, kind);
	/* the line is disabled now, so no assertion is missed */
	if (kind == DMAMAP_IRQ_INTX && qtest_ask(&q->qtest, NULL, "irq_intercept_in ioapic"))
		return machine_error(q);
	device_irq_begin(q->dev, kind, n);
	if (kind == DMAMAP_IRQ_MSIX)
		irq_point_msix(q, n);
	else if (kind == DMAMAP_IRQ_MSI)
		irq_point_msi(q);
	__atomic_store_n(&q->irq_way, kind == DMAMAP_IRQ_INTX ? IRQ_LINE : IRQ_MESSAGES,
			 __ATOMIC_RELEASE);
	if (kind == DMAMAP_IRQ_INTX)
		qemu_function_line(q, true); /* a pending interrupt raises the line now */
	qemu_irq_wake_keeper(q);
	return qtest_flush(&q->qtest) ? machine_error(q) : (int)n;
}

void irq_line(void *arg, unsigned int line, bool raised)
{
	struct qemu *q = arg;
	u64 bit;

	if (line < PIN_PCI_FIRST || line > PIN_LAST)
		return;
	bit = 1ull << line;
	if (raised)
		__atomic_fetch_or(&q->lines, bit, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&q->lines, ~bit, __ATOMIC_RELEASE);
	if (!raised || __atomic_load_n(&q->irq_way, __ATOMIC_ACQUIRE) != IRQ_LINE)
		return;
	write_once(&q->irq_ns, clock_ns());
	device_line_raised(q->dev);
}

bool qemu_irq_line_asserted(struct qemu *q)
{
	qtest_flush(&q->qtest);
	return read_acquire(&q->lines);
}

void irq_all(struct qemu *q)
{
	if (__atomic_load_n(&q->irq_way, __ATOMIC_ACQUIRE) == IRQ_NONE)
		return;
	for (unsigned int i = 0; i < q->dev->n_irq_fd; i++)
		device_interrupt(q->dev, i);
}

void irq_scan(struct qemu *q)
{
	if (__atomic_load_n(&q->irq_way, __ATOMIC_ACQUIRE) != IRQ_MESSAGES)
		return;
	for (unsigned int i = 0; i < q->fn.vectors; i++)
		if (read_once(&q->message[i]) &&
		    __atomic_exchange_n(&q->message[i], 0, __ATOMIC_ACQ_REL)) {
			write_once(&q->irq_ns, clock_ns());
			device_interrupt(q->dev, i);
		}
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
