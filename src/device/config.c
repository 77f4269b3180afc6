/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Filters a driver's writes to configuration space. dmamap places the BARs, programs MSI and MSI-X
 * and keeps the function in D0, so a driver may not change these settings. Writes to everything
 * else take effect; dmamap(7) has the list.
 *
 * The device is not trusted. At most CAPABILITIES_MAX entries of its capability list are read. An
 * entry can only remove bits from the set of writable bits, so a capability that overlaps another
 * one makes nothing writable.
 *
 * A bit that is not writable is written with its current value, or with 0 if writing 1 would clear
 * it.
 */
#include "device/config.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"

#include <string.h>

#define CONFIG_DEVICE_FIRST 0x40 /* from here on: capabilities or device-specific registers */
#define CAPABILITIES_MAX    48
#define COMMAND		    0x04
#define COMMAND_NO_LINE_H   0x04 /* in the byte at COMMAND + 1 */
#define STATUS_CAPABILITIES 0x10 /* in the byte at 0x06 */

enum config_capability {
	CAP_PM = 0x01,
	CAP_VPD = 0x03,
	CAP_MSI = 0x05,
	CAP_PCIX = 0x07,
	CAP_VENDOR = 0x09,
	CAP_EXPRESS = 0x10,
	CAP_MSIX = 0x11,
	CAP_AF = 0x13,
	CAP_ENHANCED = 0x14,
};

#define EXPRESS_BYTES  60
#define ENHANCED_BYTES 64 /* more than its entries need */

/* One byte of the header or of a capability, by its offset. */
struct config_rule {
	u8 at, pass, clears;
};

static const struct config_rule header_rules[] = {
	{0x04, 0x54, 0},    /* bus master, memory write and invalidate, parity errors */
	{0x05, 0x07, 0},    /* SERR, fast back-to-back, interrupt disable */
	{0x07, 0xf9, 0xf9}, /* error status */
	{0x0c, 0xff, 0},    /* cache line size */
	{0x0d, 0xff, 0},    /* latency timer */
	{0x3c, 0xff, 0},    /* interrupt line */
};

static const struct config_rule pm_rules[] = {
	{5, 0x9f, 0x80}, /* PME enable and status, data select; not the power state */
};

static const struct config_rule vpd_rules[] = {
	{2, 0xff, 0}, {3, 0xff, 0}, {4, 0xff, 0}, {5, 0xff, 0}, {6, 0xff, 0}, {7, 0xff, 0},
};

static const struct config_rule pcix_rules[] = {
	{2, 0x7f, 0},
	{6, 0x0c, 0x0c},
	{7, 0x20, 0x20},
};

static const struct config_rule express_rules[] = {
	{0x08, 0xff, 0},    /* device control */
	{0x09, 0x7f, 0},    /* without the function-level reset */
	{0x0a, 0x0f, 0x0f}, /* error status */
	{0x10, 0xcb, 0},    /* link control: ASPM, common clock; not link retraining */
	{0x11, 0x01, 0},    /* clock power management */
	{0x28, 0xff, 0},    /* device control 2 */
	{0x29, 0xff, 0},
};

#define RULES(rules) rules, ARRAY_SIZE(rules)

/* In [at, at + size), only the bits of the rules stay writable. */
static void config_restrict(struct config_rules *r, unsigned int at, unsigned int size,
			    const struct config_rule *rule, size_t n)
{
	u8 pass[CONFIG_BYTES] = {0};

	for (size_t i = 0; i < n; i++) {
		if (at + rule[i].at >= CONFIG_BYTES)
			continue;
		pass[at + rule[i].at] = rule[i].pass;
		r->clears[at + rule[i].at] |= rule[i].clears;
	}
	for (unsigned int i = at; i < at + size && i < CONFIG_BYTES; i++)
		r->pass[i] &= pass[i];
}

static unsigned int config_get(struct device *dev, unsigned int at, unsigned int size)
{
	return (unsigned int)dev->ops.reg_read(dev, DMAMAP_CONFIG, at, size);
}

/* Size of an MSI capability with its optional parts: a 64-bit address, and masks. */
static unsigned int config_msi_bytes(unsigned int control)
{
	return 10u + (control & 0x80 ? 4 : 0) + (control & 0x100 ? 10 : 0);
}

static void config_capability(struct device *dev, struct config_rules *r, unsigned int at)
{
	unsigned int id = config_get(dev, at, 1);

	switch (id) {
	case CAP_PM:
		config_restrict(r, at, 8, RULES(pm_rules));
		break;
	case CAP_VPD:
		config_restrict(r, at, 8, RULES(vpd_rules));
		break;
	case CAP_MSI:
		config_restrict(r, at, config_msi_bytes(config_get(dev, at + 2, 2)), NULL, 0);
		break;
	case CAP_PCIX:
		config_restrict(r, at, 8, RULES(pcix_rules));
		break;
	case CAP_VENDOR: /* id, link and length; the rest belongs to the driver */
		config_restrict(r, at, 3, NULL, 0);
		break;
	case CAP_EXPRESS:
		config_restrict(r, at, EXPRESS_BYTES, RULES(express_rules));
		break;
	case CAP_MSIX:
		config_restrict(r, at, 12, NULL, 0);
		break;
	case CAP_AF:
		config_restrict(r, at, 6, NULL, 0);
		break;
	case CAP_ENHANCED: /* it could move the BARs */
		config_restrict(r, at, ENHANCED_BYTES, NULL, 0);
		break;
	default:
		config_restrict(r, at, 2, NULL, 0);
	}
}

static struct config_rules *config_read_rules(struct device *dev)
{
	struct config_rules *r = alloc_zeroed(sizeof(*r));
	unsigned int at;

	if (!r)
		return NULL;
	memset(r->pass, 0xff, sizeof(r->pass));
	config_restrict(r, 0, CONFIG_DEVICE_FIRST, RULES(header_rules));
	if (!(config_get(dev, 6, 1) & STATUS_CAPABILITIES))
		return r;
	at = config_get(dev, 0x34, 1) & 0xfc;
	for (int i = 0; i < CAPABILITIES_MAX && at >= CONFIG_DEVICE_FIRST; i++) {
		config_capability(dev, r, at);
		at = config_get(dev, at + 1, 1) & 0xfc;
	}
	return r;
}

/*
 * Under setup_lock. Returns NULL with an error message if there is no memory or the device is gone.
 */
static const struct config_rules *config_rules(struct device *dev)
{
	if (dev->config_rules)
		return dev->config_rules;
	if (config_get(dev, 0, 2) == 0xffff)
		return NULL; /* a device that is gone reads as all ones, not as its real content */
	dev->config_rules = config_read_rules(dev);
	return dev->config_rules;
}

void config_free(struct device *dev)
{
	alloc_free(dev->config_rules);
	alloc_free(dev->sim_config);
	dev->config_rules = NULL;
	dev->sim_config = NULL;
}

/* While MSI or MSI-X is in use, the interrupt line stays disabled. */
static u8 config_passes(const struct device *dev, const struct config_rules *r, u64 at)
{
	if (at == COMMAND + 1 && read_once(&dev->irq_kind) != DMAMAP_IRQ_INTX)
		return r->pass[at] & (u8)~COMMAND_NO_LINE_H;
	return r->pass[at];
}

/* Under setup_lock; size is 1, 2 or 4. */
static void config_write_locked(struct device *dev, u64 offset, unsigned int size, u64 value)
{
	const struct config_rules *r = config_rules(dev);
	bool any = false, refused = false;
	u64 old, out = 0;

	if (!r)
		return;
	old = dev->ops.reg_read(dev, DMAMAP_CONFIG, offset, size);
	for (unsigned int i = 0; i < size; i++) {
		u8 pass = config_passes(dev, r, offset + i), clears = r->clears[offset + i];
		u8 was = (u8)(old >> 8 * i), want = (u8)(value >> 8 * i);

		out |= (u64)((want & pass) | (was & ~pass & ~clears & 0xff)) << 8 * i;
		any |= pass != 0;
		refused |= ((was ^ want) & ~pass & ~clears & 0xff) != 0;
	}
	if (any) {
		dev->ops.reg_write(dev, DMAMAP_CONFIG, offset, size, out);
		dev->ops.reg_flush(dev);
	}
	if (refused)
		error_set(EPERM,
			  "%s: a write of %#llx (%u bytes) at %#llx of configuration space would "
			  "change bits that dmamap controls (BARs, MSI, power state, reset): these "
			  "keep their value; see dmamap(7)",
			  dev->name, (unsigned long long)value, size, (unsigned long long)offset);
}

void config_write(struct device *dev, u64 offset, unsigned int size, u64 value)
{
	unsigned int part = size < 4 ? size : 4;

	if (!range_within(offset, size, CONFIG_BYTES)) {
		error_set(EPERM, "%s: drivers cannot write configuration space from %#x on",
			  dev->name, CONFIG_BYTES);
		return;
	}
	pthread_mutex_lock(&dev->setup_lock);
	for (unsigned int done = 0; done < size; done += part)
		config_write_locked(dev, offset + done, part,
				    (value >> 8 * done) & ~0ull >> (64 - 8 * part));
	pthread_mutex_unlock(&dev->setup_lock);
}
