/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI functions. Linux: Documentation/PCI/pci.rst, msi-howto.rst. */
#ifndef KMOD_LINUX_PCI_H
#define KMOD_LINUX_PCI_H

#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/pci_regs.h>
#include <linux/mod_devicetable.h>
/* the IDs come from the user's kernel tree, if there is one */
#if __has_include(<linux/pci_ids.h>)
#include <linux/pci_ids.h>
#endif
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#define PCI_DEVFN(s, f)	  ((((s)&0x1f) << 3) | ((f)&0x07))
#define PCI_SLOT(d)	  (((d) >> 3) & 0x1f)
#define PCI_FUNC(d)	  ((d)&0x07)
#define PCI_ANY_ID	  (~0U)
#define PCI_STD_NUM_BARS  6
#define PCI_NUM_RESOURCES 7
enum { PCI_ROM_RESOURCE = 6 };

struct pci_bus {
	unsigned char number;
	struct pci_dev *self;
	const char *name;
};

typedef int pci_power_t;
#define PCI_D0	   0
#define PCI_D3hot  3
#define PCI_D3cold 4

struct pci_dev {
	struct device dev;
	struct pci_bus *bus;
	struct pci_driver *driver;
	unsigned int devfn, irq, class;
	unsigned short vendor, device, subsystem_vendor, subsystem_device;
	u8 revision, hdr_type, pin, pm_cap, pcie_cap, msi_cap, msix_cap;
	u8 bar_mask_io;
	unsigned int is_busmaster : 1, msi_enabled : 1, msix_enabled : 1, enable_managed : 1,
		is_managed : 1, no_64bit_msi : 1, eeh : 1, pme_poll : 1, state_saved : 1;
	atomic_t enable_cnt;
	pci_power_t current_state;
	struct resource resource[PCI_NUM_RESOURCES];
	unsigned long owned;  /* bit mask of the BARs whose regions are requested */
	u64 own_mask;	      /* dma_mask points here */
	u8 irq_kind, vectors; /* current enum dmamap_irq_kind and number of vectors */
	u32 saved[16];
	u64 dma_mask;
};
#define to_pci_dev(d) container_of(d, struct pci_dev, dev)

struct pci_dynids {
	int none;
};
enum { pci_channel_io_normal = 1, pci_channel_io_frozen = 2, pci_channel_io_perm_failure = 3 };
typedef enum {
	PCI_ERS_RESULT_NEED_RESET,
	PCI_ERS_RESULT_DISCONNECT,
	PCI_ERS_RESULT_RECOVERED,
} pci_ers_result_t;
struct pci_error_handlers {
	pci_ers_result_t (*error_detected)(struct pci_dev *pdev, pci_channel_state_t state);
	pci_ers_result_t (*slot_reset)(struct pci_dev *pdev);
	void (*resume)(struct pci_dev *pdev);
};
struct pci_driver {
	const char *name;
	const struct pci_device_id *id_table;
	int (*probe)(struct pci_dev *pdev, const struct pci_device_id *id);
	void (*remove)(struct pci_dev *pdev);
	int (*suspend)(struct pci_dev *pdev, pm_message_t state);
	int (*resume)(struct pci_dev *pdev);
	void (*shutdown)(struct pci_dev *pdev);
	const struct pci_error_handlers *err_handler;
	struct device_driver driver;
	int registered;
};
#define PCI_DEVICE(v, d)                                                                           \
	.vendor = (v), .device = (d), .subvendor = PCI_ANY_ID, .subdevice = PCI_ANY_ID
#define PCI_VDEVICE(v, d)                                                                          \
	.vendor = PCI_VENDOR_ID_##v, .device = (d), .subvendor = PCI_ANY_ID,                       \
	.subdevice = PCI_ANY_ID, 0, 0
#define PCI_DEVICE_SUB(v, d, sv, sd)                                                               \
	.vendor = (v), .device = (d), .subvendor = (sv), .subdevice = (sd)
#define PCI_DEVICE_DATA(v, d, data)                                                                \
	.vendor = PCI_VENDOR_ID_##v, .device = PCI_DEVICE_ID_##v##_##d, .subvendor = PCI_ANY_ID,   \
	.subdevice = PCI_ANY_ID, 0, 0, .driver_data = (kernel_ulong_t)(data)

int __pci_register_driver(struct pci_driver *d, struct module *m, const char *name);
#define pci_register_driver(d) __pci_register_driver(d, THIS_MODULE, KBUILD_MODNAME)
void pci_unregister_driver(struct pci_driver *d);
#define module_driver(drv, reg, unreg)                                                             \
	static int __init drv##_init(void)                                                         \
	{                                                                                          \
		return reg(&(drv));                                                                \
	}                                                                                          \
	module_init(drv##_init) static void __exit drv##_exit(void)                                \
	{                                                                                          \
		unreg(&(drv));                                                                     \
	}                                                                                          \
	module_exit(drv##_exit)
#define module_pci_driver(d) module_driver(d, pci_register_driver, pci_unregister_driver)

int pci_read_config_byte(const struct pci_dev *d, int where, u8 *val);
int pci_read_config_word(const struct pci_dev *d, int where, u16 *val);
int pci_read_config_dword(const struct pci_dev *d, int where, u32 *val);
int pci_write_config_byte(const struct pci_dev *d, int where, u8 val);
int pci_write_config_word(const struct pci_dev *d, int where, u16 val);
int pci_write_config_dword(const struct pci_dev *d, int where, u32 val);
u8 pci_find_capability(struct pci_dev *d, int cap);
u16 pci_find_ext_capability(struct pci_dev *d, int cap);
int pcie_capability_read_word(struct pci_dev *d, int pos, u16 *val);
int pcie_capability_write_word(struct pci_dev *d, int pos, u16 val);
int pcie_capability_clear_and_set_word(struct pci_dev *d, int pos, u16 clear, u16 set);
#define pcie_capability_clear_word(d, p, v) pcie_capability_clear_and_set_word(d, p, v, 0)
#define pcie_capability_set_word(d, p, v)   pcie_capability_clear_and_set_word(d, p, 0, v)
#define pci_pcie_cap(d)			    ((d)->pcie_cap)
#define pci_is_pcie(d)			    ((d)->pcie_cap != 0)
#define PCIBIOS_SUCCESSFUL		    0
#define PCIBIOS_BAD_REGISTER_NUMBER	    0x87

int pci_enable_device(struct pci_dev *d);
int pci_enable_device_mem(struct pci_dev *d);
int pci_enable_device_io(struct pci_dev *d);
int pci_reenable_device(struct pci_dev *d);
void pci_disable_device(struct pci_dev *d);
bool pci_is_enabled(struct pci_dev *d);
bool pci_device_is_present(struct pci_dev *d);
void pci_set_master(struct pci_dev *d);
void pci_clear_master(struct pci_dev *d);
int pci_set_mwi(struct pci_dev *d);
int pci_try_set_mwi(struct pci_dev *d);
void pci_clear_mwi(struct pci_dev *d);
int pci_save_state(struct pci_dev *d);
void pci_restore_state(struct pci_dev *d);
int pci_request_regions(struct pci_dev *d, const char *name);
void pci_release_regions(struct pci_dev *d);
int pci_request_region(struct pci_dev *d, int bar, const char *name);
void pci_release_region(struct pci_dev *d, int bar);
int pci_request_selected_regions(struct pci_dev *d, int bars, const char *name);
#define pci_request_selected_regions_exclusive pci_request_selected_regions
void pci_release_selected_regions(struct pci_dev *d, int bars);
#define pci_request_mem_regions(d, n)                                                              \
	pci_request_selected_regions(d, pci_select_bars(d, IORESOURCE_MEM), n)
#define pci_release_mem_regions(d)                                                                 \
	pci_release_selected_regions(d, pci_select_bars(d, IORESOURCE_MEM))
int pci_select_bars(struct pci_dev *d, unsigned long flags);
void __iomem *pci_iomap(struct pci_dev *d, int bar, unsigned long max);
void __iomem *pci_ioremap_bar(struct pci_dev *d, int bar);
void pci_iounmap(struct pci_dev *d, void __iomem *addr);
int pcim_enable_device(struct pci_dev *d);
int pcim_iomap_regions(struct pci_dev *d, int mask, const char *name);
void __iomem *const *pcim_iomap_table(struct pci_dev *d);
void __iomem *pcim_iomap(struct pci_dev *d, int bar, unsigned long max);
#define pci_resource_start(d, b) ((d)->resource[b].start)
#define pci_resource_end(d, b)	 ((d)->resource[b].end)
#define pci_resource_flags(d, b) ((d)->resource[b].flags)
#define pci_resource_len(d, b)	 ((d)->resource[b].end ? resource_size(&(d)->resource[b]) : 0)

#define PCI_IRQ_INTX	  1u
#define PCI_IRQ_LEGACY	  1u
#define PCI_IRQ_MSI	  2u
#define PCI_IRQ_MSIX	  4u
#define PCI_IRQ_ALL_TYPES (PCI_IRQ_INTX | PCI_IRQ_MSI | PCI_IRQ_MSIX)
struct msix_entry {
	u32 vector;
	u16 entry;
};
int pci_alloc_irq_vectors(struct pci_dev *d, unsigned int min, unsigned int max,
			  unsigned int flags);
void pci_free_irq_vectors(struct pci_dev *d);
int pci_irq_vector(struct pci_dev *d, unsigned int nr);
int pci_enable_msi(struct pci_dev *d);
void pci_disable_msi(struct pci_dev *d);
int pci_enable_msix_range(struct pci_dev *d, struct msix_entry *e, int min, int max);
int pci_enable_msix_exact(struct pci_dev *d, struct msix_entry *e, int n);
void pci_disable_msix(struct pci_dev *d);
int pci_msix_vec_count(struct pci_dev *d);
void pci_intx(struct pci_dev *d, int enable);

struct pci_dev *pci_get_device(unsigned int vendor, unsigned int device, struct pci_dev *from);
const struct pci_device_id *pci_match_id(const struct pci_device_id *ids, struct pci_dev *d);
#define pci_dev_put(d)	      ((void)(d))
#define pci_dev_get(d)	      (d)
#define pci_name(d)	      dev_name(&(d)->dev)
#define pci_get_drvdata(d)    dev_get_drvdata(&(d)->dev)
#define pci_set_drvdata(d, p) dev_set_drvdata(&(d)->dev, p)
#define pci_err(d, fmt, ...)  dev_err(&(d)->dev, fmt, ##__VA_ARGS__)
#define pci_info(d, fmt, ...) dev_info(&(d)->dev, fmt, ##__VA_ARGS__)
#define pci_warn(d, fmt, ...) dev_warn(&(d)->dev, fmt, ##__VA_ARGS__)

/* Power states: always D0. These functions are in the list of inert names. */
int pci_set_power_state(struct pci_dev *d, pci_power_t state);
int pci_enable_wake(struct pci_dev *d, pci_power_t state, bool enable);
int pci_wake_from_d3(struct pci_dev *d, bool enable);
int pci_prepare_to_sleep(struct pci_dev *d);
bool pci_pme_capable(struct pci_dev *d, pci_power_t state);
void pci_disable_link_state(struct pci_dev *d, int state);
void pci_disable_link_state_locked(struct pci_dev *d, int state);
bool pci_dev_run_wake(struct pci_dev *d);
#define pci_channel_offline(d) 0
#define PCIE_LINK_STATE_L0S    1
#define PCIE_LINK_STATE_L1     2
#define pci_d3cold_disable(d)  ((void)(d))

/* Vital product data. */
#define PCI_VPD_RO_KEYWORD_MFR_ID  "MN"
#define PCI_VPD_RO_KEYWORD_VENDOR0 "V0"
bool pci_msi_enabled(void);
bool pci_pme_active(struct pci_dev *d, bool enable);
int pci_dev_present(const struct pci_device_id *ids);
int pcix_get_mmrbc(struct pci_dev *d);
int pcix_set_mmrbc(struct pci_dev *d, int bytes);
int pci_vpd_find_ro_info_keyword(const void *buf, unsigned int len, const char *kw,
				 unsigned int *size);

#endif
