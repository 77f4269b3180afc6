/* SPDX-License-Identifier: BSD-2-Clause */
/* The opened PCI function, the driver that binds to it, and the managed (pcim_*) calls. */
#include "pci.h"

struct pci_dev *kmod_pci_device;
static struct pci_bus bus = {.number = 0, .name = "pci"};
static struct pci_driver *bound;
static const struct pci_device_id *bound_id;

static void driver_bars(struct pci_dev *d)
{
	struct dmamap_bar_info info;

	for (int i = 0; i < PCI_STD_NUM_BARS; i++) {
		struct resource *r = &d->resource[i];

		if (dmamap_bar(d->dev.dma, i, &info))
			continue;
		r->start = info.addr;
		r->end = info.addr + info.size - 1;
		r->name = d->dev.name;
		r->flags = info.flags & DMAMAP_BAR_IO ? IORESOURCE_IO : IORESOURCE_MEM;
		if (info.flags & DMAMAP_BAR_PREFETCH)
			r->flags |= IORESOURCE_PREFETCH;
		if (info.flags & DMAMAP_BAR_64BIT)
			r->flags |= IORESOURCE_MEM_64;
	}
}

int kmod_pci_create(struct dmamap_device *dma)
{
	struct pci_dev *d = host_calloc(1, sizeof(*d));
	static const struct bus_type type = {.name = "pci"};
	u32 class;
	u8 pin;

	if (!d)
		return -ENOMEM;
	kmod_device_init(&d->dev, NULL, "0000:00:03.0");
	d->dev.dma = dma;
	d->dev.bus = &type;
	d->bus = &bus;
	d->devfn = PCI_DEVFN(3, 0);
	pci_read_config_word(d, PCI_VENDOR_ID, &d->vendor);
	pci_read_config_word(d, PCI_DEVICE_ID, &d->device);
	if (d->vendor == 0xffff) { /* a device without configuration space is not a PCI function */
		host_free(d);
		return -ENODEV;
	}
	pci_read_config_word(d, PCI_SUBSYSTEM_VENDOR_ID, &d->subsystem_vendor);
	pci_read_config_word(d, PCI_SUBSYSTEM_ID, &d->subsystem_device);
	pci_read_config_dword(d, PCI_CLASS_REVISION, &class);
	d->class = class >> 8;
	d->revision = (u8)kmod_option_int(
		"revision", (u8) class); /* the option overrides the revision of a model */
	pci_read_config_byte(d, PCI_INTERRUPT_PIN, &pin);
	d->pin = pin;
	d->irq = 11;
	d->vectors = 1;
	d->pcie_cap = pci_find_capability(d, PCI_CAP_ID_EXP);
	d->pm_cap = pci_find_capability(d, PCI_CAP_ID_PM);
	d->msi_cap = pci_find_capability(d, PCI_CAP_ID_MSI);
	d->msix_cap = pci_find_capability(d, PCI_CAP_ID_MSIX);
	d->own_mask = DMA_BIT_MASK(32);
	d->dev.dma_mask = &d->own_mask;
	driver_bars(d);
	dma_set_mask_and_coherent(&d->dev,
				  DMA_BIT_MASK(32)); /* the initial mask of every PCI function */
	dmamap_irq_setup(dma, DMAMAP_IRQ_INTX, 1);
	/* bus mastering is off initially, so that a missing pci_set_master() is detected */
	pci_clear_master(d);
	kmod_pci_device = d;
	return 0;
}

void kmod_pci_destroy(void)
{
	host_free(kmod_pci_device);
	kmod_pci_device = NULL;
}

struct pci_driver *kmod_pci_driver(void)
{
	return bound;
}

const struct pci_device_id *pci_match_id(const struct pci_device_id *ids, struct pci_dev *d)
{
	for (; ids && (ids->vendor || ids->subvendor || ids->class_mask); ids++) {
		if ((ids->vendor == PCI_ANY_ID || ids->vendor == d->vendor) &&
		    (ids->device == PCI_ANY_ID || ids->device == d->device) &&
		    (ids->subvendor == PCI_ANY_ID || ids->subvendor == d->subsystem_vendor) &&
		    (ids->subdevice == PCI_ANY_ID || ids->subdevice == d->subsystem_device) &&
		    !((ids->class ^ d->class) & ids->class_mask))
			return ids;
	}
	return NULL;
}

static void driver_no_match(const struct pci_driver *drv, const struct pci_dev *d)
{
	char ids[512] = "";
	int n = 0;

	for (const struct pci_device_id *i = drv->id_table; i && (i->vendor || i->class_mask);
	     i++) {
		if (n < 440)
			n += scnprintf(ids + n, sizeof(ids) - (size_t)n, " %04x:%04x", i->vendor,
				       i->device);
	}
	kmod_event("\"no_match\":true,\"driver_ids\":\"%s\",\"device_id\":\"%04x:%04x subsystem "
		   "%04x:%04x class %06x\"",
		   ids, d->vendor, d->device, d->subsystem_vendor, d->subsystem_device, d->class);
}

int __pci_register_driver(struct pci_driver *drv, struct module *m, const char *name)
{
	struct pci_dev *d = kmod_pci_device;
	static const struct pci_device_id any = {.vendor = PCI_ANY_ID, .device = PCI_ANY_ID};
	const struct pci_device_id *id;
	int err = 0;

	kmod_might_sleep("pci_register_driver");
	if (kmod_fail("register"))
		return -ENOMEM;
	if (drv->registered)
		return -EBUSY;
	drv->registered = 1;
	drv->driver.name = drv->name;
	kmod_ledger_add(KMOD_DRIVER, drv, sizeof(*drv));
	if (!d || bound)
		return 0;
	id = kmod_option_int("override", 0) ? &any : pci_match_id(drv->id_table, d);
	if (!id) {
		driver_no_match(drv, d);
		return 0;
	}
	bound_id = id;
	d->driver = drv;
	d->dev.driver = &drv->driver;
	KMOD_CALL("probe", err = drv->probe(d, id));
	kmod_event("\"probe\":%d", err);
	if (err) {
		kmod_devres_release(&d->dev);
		d->driver = NULL;
		d->dev.driver = NULL;
	} else {
		bound = drv;
	}
	return 0;
}

void kmod_pci_unbind(void)
{
	struct pci_driver *drv = bound;

	if (!drv)
		return;
	bound = NULL;
	if (drv->remove)
		KMOD_CALL("remove", drv->remove(kmod_pci_device));
	kmod_devres_release(&kmod_pci_device->dev);
	kmod_pci_device->driver = NULL;
	kmod_pci_device->dev.driver = NULL;
}

void pci_unregister_driver(struct pci_driver *drv)
{
	kmod_might_sleep("pci_unregister_driver");
	if (!kmod_ledger_del(KMOD_DRIVER, drv)) {
		kmod_finding("bad-remove",
			     "pci_unregister_driver() of a driver that is not registered");
		return;
	}
	drv->registered = 0;
	if (bound == drv)
		kmod_pci_unbind();
}

/* Calls the PM callbacks in the order of a suspend to RAM. Returns 0 if the driver has none. */
int kmod_pci_suspend_resume(void)
{
	struct pci_dev *d = kmod_pci_device;
	const struct dev_pm_ops *pm = bound ? bound->driver.pm : NULL;
	int err = 0;

	if (!bound)
		return 0;
	if (pm && pm->suspend) {
		KMOD_CALL("suspend", err = pm->suspend(&d->dev));
		pci_save_state(d);
		pci_restore_state(d);
		if (!err && pm->resume)
			KMOD_CALL("resume", err = pm->resume(&d->dev));
	} else if (bound->suspend) {
		KMOD_CALL("suspend", err = bound->suspend(d, (pm_message_t){2}));
		if (!err && bound->resume)
			KMOD_CALL("resume", err = bound->resume(d));
	}
	return err;
}

int pci_dev_present(const struct pci_device_id *ids)
{
	return kmod_pci_device && pci_match_id(ids, kmod_pci_device);
}

struct pci_dev *pci_get_device(unsigned int vendor, unsigned int device, struct pci_dev *from)
{
	struct pci_dev *d = kmod_pci_device;

	if (from || !d)
		return NULL;
	return (vendor == PCI_ANY_ID || vendor == d->vendor) &&
			       (device == PCI_ANY_ID || device == d->device)
		       ? d
		       : NULL;
}

static void driver_pcim_disable(void *data)
{
	struct pci_dev *d = data;

	d->is_managed = 0;
	pci_disable_device(d);
}

int pcim_enable_device(struct pci_dev *d)
{
	int err = pci_enable_device(d);

	if (err)
		return err;
	d->is_managed = 1;
	return devm_add_action_or_reset(&d->dev, driver_pcim_disable, d);
}

static void driver_pcim_iounmap(void *addr)
{
	iounmap(addr);
}

void __iomem *pcim_iomap(struct pci_dev *d, int bar, unsigned long max)
{
	void __iomem *addr = pci_iomap(d, bar, max);

	if (addr && devm_add_action_or_reset(&d->dev, driver_pcim_iounmap, addr))
		return NULL;
	return addr;
}

static void __iomem *pcim_table[PCI_STD_NUM_BARS];

int pcim_iomap_regions(struct pci_dev *d, int mask, const char *name)
{
	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		int err;

		if (!(mask & 1 << bar))
			continue;
		err = pci_request_region(d, bar, name);
		if (err)
			return err;
		pcim_table[bar] = pcim_iomap(d, bar, 0);
		if (!pcim_table[bar])
			return -ENOMEM;
	}
	return 0;
}

void __iomem *const *pcim_iomap_table(struct pci_dev *d)
{
	return pcim_table;
}
