/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does the work of firmware: accesses configuration space through the ports 0xcf8 and 0xcfc,
 * assigns addresses to the device's BARs, and replaces the holes that a PC has in RAM below 1 MiB
 * by RAM.
 *
 * The command line determines the device's place, so there is no search; QEMU refuses a device that
 * is not on PCI. The list of capabilities is read from the device and is not trusted: its length is
 * bounded by 48, the number of capabilities that fit into configuration space.
 */
#include "base/error.h"
#include "base/fork.h"
#include "base/math.h"
#include "qemu/private.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

#define WINDOW_START 0xc0000000ull /* above RAM, below the interrupt controllers */
#define WINDOW_END   0xfe000000ull
#define WINDOW_HIGH  (1ull << 38) /* for BARs that do not fit there */
#define PORTS_START  0x1000u
#define PORTS_END    0xf000u

#define PCI_COMMAND	  0x04
#define COMMAND_REGISTERS 0x3u /* I/O and memory */
#define COMMAND_MASTER	  0x4u
#define COMMAND_NO_LINE	  0x400u
#define PCI_STATUS_CAPS	  (1u << 20) /* a bit of the dword at PCI_COMMAND */
#define PCI_BAR(i)	  (0x10 + 4 * (unsigned int)(i))
#define PCI_CAPS	  0x34
#define PCI_LINE	  0x3c
#define CAPS_MAX	  48
#define CAP_ID_MSI	  0x05
#define CAP_ID_MSIX	  0x11

/* The two ports are used as a pair, so accesses are serialized. */
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;

static u32 pci_config_address(unsigned int slot, unsigned int offset)
{
	return 0x80000000u | slot << 11 | (offset & 0xfc);
}

u32 pci_read(struct qemu *q, unsigned int slot, unsigned int offset)
{
	u64 value = ~0u;

	pthread_mutex_lock(&ports_lock);
	qtest_post(&q->qtest, "outl %#x %#x", CONFIG_ADDRESS, pci_config_address(slot, offset));
	qtest_ask(&q->qtest, &value, "inl %#x", CONFIG_DATA);
	pthread_mutex_unlock(&ports_lock);
	return (u32)value;
}

void pci_write(struct qemu *q, unsigned int slot, unsigned int offset, u32 value)
{
	pthread_mutex_lock(&ports_lock);
	qtest_post(&q->qtest, "outl %#x %#x", CONFIG_ADDRESS, pci_config_address(slot, offset));
	qtest_post(&q->qtest, "outl %#x %#x", CONFIG_DATA, value);
	pthread_mutex_unlock(&ports_lock);
}

void qemu_pci_write_part(struct qemu *q, unsigned int slot, unsigned int offset, unsigned int size,
			 u32 value)
{
	pthread_mutex_lock(&ports_lock);
	qtest_post(&q->qtest, "outl %#x %#x", CONFIG_ADDRESS, pci_config_address(slot, offset));
	qtest_post(&q->qtest, "out%c %#x %#x",
		   size == 4   ? 'l'
		   : size == 2 ? 'w'
			       : 'b',
		   CONFIG_DATA + (offset & 3), value);
	pthread_mutex_unlock(&ports_lock);
}

/*
 * The host bridge directs 0xa0000 to 0xbffff to graphics and 0xc0000 to 0xfffff to firmware until
 * its registers select RAM (Intel 3 Series or later chipset datasheets: PAM0 to PAM6 and SMRAM).
 */
void chipset_setup(struct qemu *q)
{
	u32 smram = pci_read(q, 0, 0x9c);

	pci_write(q, 0, 0x90, 0x33333330);
	pci_write(q, 0, 0x94, (pci_read(q, 0, 0x94) & ~0xffffffu) | 0x333333);
	pci_write(q, 0, 0x9c, smram | 0x40u << 8); /* SMRAM, 0x9d: open */
}

/* Allocates an address range of this size, aligned to its size; 0: there is none. */
static u64 pci_place_bar(u64 *next, u64 end, u64 size)
{
	u64 at = align_up(*next, size);

	if (size > end || at > end - size)
		return 0;
	*next = at + size;
	return at;
}

/* Finds the size of a BAR by writing ones to it. */
static u32 pci_probe_bar(struct qemu *q, unsigned int i)
{
	pci_write(q, DEVICE_SLOT, PCI_BAR(i), ~0u);
	return pci_read(q, DEVICE_SLOT, PCI_BAR(i));
}

struct pci_windows {
	u64 memory, high, ports;
};

/* Assigns an address to one BAR; `wide`: the BAR has two registers. 0, -ENOSPC. */
static int pci_place_one_bar(struct qemu *q, struct pci_windows *w, unsigned int i, bool *wide)
{
	u32 low = pci_read(q, DEVICE_SLOT, PCI_BAR(i)), mask = pci_probe_bar(q, i);
	struct qemu_bar *bar = &q->fn.bar[i];
	u32 flags = 0;
	u64 size;

	*wide = false;
	if (!mask || mask == ~0u)
		return 0;
	if (low & 1) {
		bar->io = true;
		flags = DMAMAP_BAR_IO;
		bar->size = (u32) - (mask & ~3u) & 0xffff;
		bar->addr = pci_place_bar(&w->ports, PORTS_END, bar->size);
	} else {
		*wide = (low & 6) == 4 && i + 1 < BARS;
		flags = (*wide ? DMAMAP_BAR_64BIT : 0) | (low & 8 ? DMAMAP_BAR_PREFETCH : 0);
		size = mask & ~0xfu;
		size |= *wide ? (u64)pci_probe_bar(q, i + 1) << 32 : 0xffffffffull << 32;
		bar->size = -size;
		bar->addr = pci_place_bar(&w->memory, WINDOW_END, bar->size);
		if (!bar->addr && *wide)
			bar->addr = pci_place_bar(&w->high, ~0ull >> 12, bar->size);
	}
	if (!bar->addr || !is_pow2(bar->size))
		return error_set(ENOSPC, "there is no address range for the %#llx bytes of BAR %u",
				 (unsigned long long)bar->size, i);
	q->dev->bar[i] = (struct dmamap_bar_info){bar->addr, bar->size, flags};
	pci_write(q, DEVICE_SLOT, PCI_BAR(i), (u32)bar->addr);
	if (*wide)
		pci_write(q, DEVICE_SLOT, PCI_BAR(i + 1), (u32)(bar->addr >> 32));
	return 0;
}

static int pci_place_bars(struct qemu *q)
{
	struct pci_windows w = {.memory = WINDOW_START,
				.ports = PORTS_START,
				.high = max_u64(align_up(mem.span, GIB), WINDOW_HIGH)};
	bool wide;

	for (unsigned int i = 0; i < BARS; i += 1 + wide) {
		int err = pci_place_one_bar(q, &w, i, &wide);

		if (err)
			return err;
	}
	return 0;
}

static void pci_find_msix_table(struct qemu *q)
{
	struct qemu_function *f = &q->fn;
	u32 where = pci_read(q, DEVICE_SLOT, f->msix + 4);
	u64 n = (pci_read(q, DEVICE_SLOT, f->msix) >> 16 & 0x7ff) + 1;
	unsigned int bar = where & 7;

	if (bar >= BARS || f->bar[bar].io || !range_within(where & ~7u, 16 * n, f->bar[bar].size)) {
		f->msix = 0; /* the table is in no BAR */
		return;
	}
	f->table.bar = (int)bar;
	f->table.offset = where & ~7u;
	f->vectors = (unsigned int)min_u64(n, VECTORS_MAX);
}

static void pci_find_capabilities(struct qemu *q)
{
	struct qemu_function *f = &q->fn;
	unsigned int at;

	f->vectors = 1;
	f->line = pci_read(q, DEVICE_SLOT, PCI_LINE) >> 8 & 0xff;
	if (!(pci_read(q, DEVICE_SLOT, PCI_COMMAND) & PCI_STATUS_CAPS))
		return;
	at = pci_read(q, DEVICE_SLOT, PCI_CAPS) & 0xfc;
	for (int i = 0; i < CAPS_MAX && at >= 0x40; i++) {
		u32 head = pci_read(q, DEVICE_SLOT, at);

		if ((head & 0xff) == CAP_ID_MSI)
			f->msi = at;
		if ((head & 0xff) == CAP_ID_MSIX)
			f->msix = at;
		at = head >> 8 & 0xfc;
	}
	if (f->msix)
		pci_find_msix_table(q);
}

int function_find(struct qemu *q)
{
	u32 id = pci_read(q, DEVICE_SLOT, 0);
	int err;

	if (qtest_state(&q->qtest) != QTEST_ALIVE)
		return machine_error(q);
	if (id == ~0u || !id)
		return error_set(ENODEV, "QEMU has a device %s, but it is not a PCI function",
				 q->options.device);
	pci_write(q, DEVICE_SLOT, PCI_COMMAND, 0);
	err = pci_place_bars(q);
	if (err)
		return err;
	pci_find_capabilities(q);
	pci_write(q, DEVICE_SLOT, PCI_COMMAND, COMMAND_REGISTERS);
	return 0;
}

void function_start(struct qemu *q)
{
	qemu_pci_write_part(q, DEVICE_SLOT, PCI_COMMAND, 2,
			    COMMAND_REGISTERS | COMMAND_MASTER |
				    (q->dev->irq_kind == DMAMAP_IRQ_INTX ? 0 : COMMAND_NO_LINE));
}

void qemu_function_line(struct qemu *q, bool on)
{
	u32 command = pci_read(q, DEVICE_SLOT, PCI_COMMAND) & 0xffff;

	qemu_pci_write_part(q, DEVICE_SLOT, PCI_COMMAND, 2,
			    on ? command & ~COMMAND_NO_LINE : command | COMMAND_NO_LINE);
}

static void pci_fork_child(void)
{
	pthread_mutex_init(&ports_lock, NULL);
}

FORK_HOOK(pci_hook, NULL, NULL, pci_fork_child);
