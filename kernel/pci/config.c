/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space, capabilities, and the state of a function: enabled, bus master, saved. */
#include "pci.h"

static int config_check(const struct pci_dev *d, int where, unsigned int size)
{
	if (where < 0 || where >= 4096 || where & (int)(size - 1))
		return PCIBIOS_BAD_REGISTER_NUMBER;
	return d->dev.dma ? 0 : -ENODEV;
}

int pci_read_config_byte(const struct pci_dev *d, int where, u8 *val)
{
	int err = config_check(d, where, 1);

	*val = err ? (u8)~0 : dmamap_readb(d->dev.dma, DMAMAP_CONFIG, (u64)where);
	return err;
}

int pci_read_config_word(const struct pci_dev *d, int where, u16 *val)
{
	int err = config_check(d, where, 2);

	*val = err ? (u16)~0 : dmamap_readw(d->dev.dma, DMAMAP_CONFIG, (u64)where);
	return err;
}

int pci_read_config_dword(const struct pci_dev *d, int where, u32 *val)
{
	int err = config_check(d, where, 4);

	*val = err ? ~0u : dmamap_readl(d->dev.dma, DMAMAP_CONFIG, (u64)where);
	return err;
}

int pci_write_config_byte(const struct pci_dev *d, int where, u8 val)
{
	int err = config_check(d, where, 1);

	if (!err)
		dmamap_writeb(d->dev.dma, DMAMAP_CONFIG, (u64)where, val);
	return err;
}

int pci_write_config_word(const struct pci_dev *d, int where, u16 val)
{
	int err = config_check(d, where, 2);

	if (!err)
		dmamap_writew(d->dev.dma, DMAMAP_CONFIG, (u64)where, val);
	return err;
}

int pci_write_config_dword(const struct pci_dev *d, int where, u32 val)
{
	int err = config_check(d, where, 4);

	if (!err)
		dmamap_writel(d->dev.dma, DMAMAP_CONFIG, (u64)where, val);
	return err;
}

u8 pci_find_capability(struct pci_dev *d, int cap)
{
	u16 status;
	u8 at, id;

	pci_read_config_word(d, PCI_STATUS, &status);
	if (!(status & PCI_STATUS_CAP_LIST))
		return 0;
	pci_read_config_byte(d, PCI_CAPABILITY_LIST, &at);
	for (int i = 0; i < 48 && at >= 0x40; i++) {
		at &= ~3;
		pci_read_config_byte(d, at, &id);
		if (id == cap)
			return at;
		pci_read_config_byte(d, at + 1, &at);
	}
	return 0;
}

u16 pci_find_ext_capability(struct pci_dev *d, int cap)
{
	u32 head;
	u16 at = 0x100;

	for (int i = 0; i < 960 && at >= 0x100; i++) {
		pci_read_config_dword(d, at, &head);
		if (!head || head == ~0u)
			return 0;
		if ((head & 0xffff) == (u32)cap)
			return at;
		at = (u16)(head >> 20 & ~3u);
	}
	return 0;
}

int pcie_capability_read_word(struct pci_dev *d, int pos, u16 *val)
{
	*val = 0;
	return d->pcie_cap ? pci_read_config_word(d, d->pcie_cap + pos, val) : 0;
}

int pcie_capability_write_word(struct pci_dev *d, int pos, u16 val)
{
	return d->pcie_cap ? pci_write_config_word(d, d->pcie_cap + pos, val) : 0;
}

int pcie_capability_clear_and_set_word(struct pci_dev *d, int pos, u16 clear, u16 set)
{
	u16 val;

	pcie_capability_read_word(d, pos, &val);
	return pcie_capability_write_word(d, pos, (val & ~clear) | set);
}

static void config_command(struct pci_dev *d, u16 clear, u16 set)
{
	u16 cmd;

	pci_read_config_word(d, PCI_COMMAND, &cmd);
	if (((cmd & ~clear) | set) != cmd)
		pci_write_config_word(d, PCI_COMMAND, (cmd & ~clear) | set);
}

int pci_enable_device(struct pci_dev *d)
{
	kmod_might_sleep("pci_enable_device");
	if (kmod_fail("register"))
		return -EINVAL;
	if (atomic_inc_return(&d->enable_cnt) == 1)
		kmod_ledger_add(KMOD_ENABLED, d, 0);
	config_command(d, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return 0;
}

int pci_enable_device_mem(struct pci_dev *d)
{
	return pci_enable_device(d);
}

int pci_enable_device_io(struct pci_dev *d)
{
	return pci_enable_device(d);
}

int pci_reenable_device(struct pci_dev *d)
{
	if (atomic_read(&d->enable_cnt))
		config_command(d, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return 0;
}

void pci_disable_device(struct pci_dev *d)
{
	if (atomic_read(&d->enable_cnt) <= 0) {
		kmod_finding("pci-not-enabled",
			     "pci_disable_device() of a device that is not enabled");
		return;
	}
	if (atomic_dec_return(&d->enable_cnt))
		return;
	kmod_ledger_del(KMOD_ENABLED, d);
	pci_clear_master(d);
}

bool pci_is_enabled(struct pci_dev *d)
{
	return atomic_read(&d->enable_cnt) > 0;
}

bool pci_device_is_present(struct pci_dev *d)
{
	u32 id;

	pci_read_config_dword(d, PCI_VENDOR_ID, &id);
	return id != ~0u;
}

void pci_set_master(struct pci_dev *d)
{
	config_command(d, 0, PCI_COMMAND_MASTER);
	d->is_busmaster = 1;
}

void pci_clear_master(struct pci_dev *d)
{
	config_command(d, PCI_COMMAND_MASTER, 0);
	d->is_busmaster = 0;
}

int pci_set_mwi(struct pci_dev *d)
{
	config_command(d, 0, PCI_COMMAND_INVALIDATE);
	return 0;
}

int pci_try_set_mwi(struct pci_dev *d)
{
	return pci_set_mwi(d);
}

void pci_clear_mwi(struct pci_dev *d)
{
	config_command(d, PCI_COMMAND_INVALIDATE, 0);
}

int pci_save_state(struct pci_dev *d)
{
	for (int i = 0; i < 16; i++)
		pci_read_config_dword(d, i * 4, &d->saved[i]);
	return 0;
}

void pci_restore_state(struct pci_dev *d)
{
	if (d->saved[0])
		config_command(d, 0,
			       (u16)d->saved[1] &
				       (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
}

void pci_intx(struct pci_dev *d, int enable)
{
	config_command(d, enable ? PCI_COMMAND_INTX_DISABLE : 0,
		       enable ? 0 : PCI_COMMAND_INTX_DISABLE);
}

/* These have no effect: the function is always in D0. */
int pci_set_power_state(struct pci_dev *d, pci_power_t state)
{
	d->current_state = state;
	return 0;
}

int pci_enable_wake(struct pci_dev *d, pci_power_t state, bool enable)
{
	return 0;
}

int pci_wake_from_d3(struct pci_dev *d, bool enable)
{
	return 0;
}

int pci_prepare_to_sleep(struct pci_dev *d)
{
	return 0;
}

bool pci_pme_capable(struct pci_dev *d, pci_power_t state)
{
	return false;
}

void pci_disable_link_state(struct pci_dev *d, int state)
{
}

void pci_disable_link_state_locked(struct pci_dev *d, int state)
{
}

bool pci_dev_run_wake(struct pci_dev *d)
{
	return false;
}

bool pci_pme_active(struct pci_dev *d, bool enable)
{
	return false;
}

bool pci_msi_enabled(void)
{
	return true;
}

/* PCI-X: the maximum size of a read by the function, 512 << n bytes. */
int pcix_get_mmrbc(struct pci_dev *d)
{
	u8 cap = pci_find_capability(d, PCI_CAP_ID_PCIX);
	u16 cmd;

	if (!cap || pci_read_config_word(d, cap + PCI_X_CMD, &cmd))
		return -EINVAL;
	return 512 << ((cmd & PCI_X_CMD_MAX_READ) >> 2);
}

int pcix_set_mmrbc(struct pci_dev *d, int bytes)
{
	u8 cap = pci_find_capability(d, PCI_CAP_ID_PCIX);
	u16 cmd;

	if (!cap || bytes < 512 || bytes > 4096 || !is_power_of_2((unsigned int)bytes))
		return -EINVAL;
	pci_read_config_word(d, cap + PCI_X_CMD, &cmd);
	cmd = (u16)((cmd & ~PCI_X_CMD_MAX_READ) | (ilog2((unsigned int)bytes) - 9) << 2);
	return pci_write_config_word(d, cap + PCI_X_CMD, cmd);
}

int pci_enable_pcie_error_reporting(struct pci_dev *d)
{
	return -EIO;
}

int pci_disable_pcie_error_reporting(struct pci_dev *d)
{
	return -EIO;
}

/*
 * Vital product data are resources, each with a tag, a length and data. The data of the read-only
 * resource (0x90) are fields, each with a keyword of two letters, a length and data.
 */
static int vpd_find_in(const u8 *vpd, unsigned int at, unsigned int end, const char *kw,
		       unsigned int *size)
{
	while (end - at >= 3) {
		unsigned int n = vpd[at + 2];

		if (n > end - at - 3)
			break;
		if (vpd[at] == (u8)kw[0] && vpd[at + 1] == (u8)kw[1]) {
			if (size)
				*size = n;
			return (int)at + 3;
		}
		at += 3 + n;
	}
	return -ENOENT;
}

int pci_vpd_find_ro_info_keyword(const void *buf, unsigned int len, const char *kw,
				 unsigned int *size)
{
	const u8 *vpd = buf;
	unsigned int at = 0, head, n;

	while (at < len && vpd[at] != 0x78) { /* the end */
		bool large = vpd[at] & 0x80;

		head = large ? 3 : 1;
		if (head > len - at)
			break;
		n = large ? vpd[at + 1] | (unsigned int)vpd[at + 2] << 8 : vpd[at] & 7u;
		if (n > len - at - head)
			break;
		if (vpd[at] == 0x90)
			return vpd_find_in(vpd, at + head, at + head + n, kw, size);
		at += head + n;
	}
	return -ENOENT;
}
