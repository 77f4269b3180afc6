/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI configuration space that the client sees. A simulated device does not accept writes to
 * BARs, MSI and power states, so those registers are stored here (PCI Local Bus Specification 3.0,
 * chapter 6; PCI Express Base Specification, chapter 7). All writes are also passed to the device,
 * which accepts other bits, such as bus mastering and vendor-specific registers. A BAR stores only
 * the address bits above its size, so that a client that writes all ones reads the size.
 */
#include "base/math.h"
#include "serve/served.h"

#include <string.h>

#define COMMAND		 0x04
#define COMMAND_NO_LINE	 0x0400u
#define BAR0		 0x10
#define CAPABILITIES_MAX 48

#define CAP_PM	    0x01
#define CAP_MSI	    0x05
#define CAP_EXPRESS 0x10
#define CAP_MSIX    0x11

u32 config_space_get(const struct serve_config_space *c, u32 at, u32 size)
{
	u32 value = 0;

	for (u32 i = 0; i < size && at + i < SERVE_CONFIG; i++)
		value |= (u32)c->bytes[at + i] << 8 * i;
	return value;
}

u32 config_space_find(const struct serve_config_space *c, u8 id)
{
	u32 at = c->bytes[6] & 0x10 ? c->bytes[0x34] & 0xfcu : 0;

	for (int i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
		if (c->bytes[at] == id)
			return at;
		at = c->bytes[at + 1] & 0xfcu;
	}
	return 0;
}

static void config_space_permit(struct serve_config_space *c, u32 at, u32 size, u64 mask)
{
	for (u32 i = 0; i < size && at + i < SERVE_CONFIG; i++)
		c->writable[at + i] = i < 8 ? (u8)(mask >> 8 * i) : 0;
}

static void config_space_set(struct serve_config_space *c, u32 at, u32 size, u64 value)
{
	for (u32 i = 0; i < size && at + i < SERVE_CONFIG; i++)
		c->bytes[at + i] = i < 8 ? (u8)(value >> 8 * i) : 0;
}

static void config_space_bars(struct served *s)
{
	struct serve_config_space *c = &s->space;

	config_space_permit(c, BAR0, 24, 0);
	for (u32 i = 0; i < DEVICE_BARS; i++) {
		u64 size = region_size(s, i);
		bool wide = s->dev->bar[i].flags & DMAMAP_BAR_64BIT && i + 1 < DEVICE_BARS;
		u32 type = config_space_get(c, BAR0 + 4 * i, 4) &
			   (s->dev->bar[i].flags & DMAMAP_BAR_IO ? 0x3 : 0xf);

		if (!size)
			continue;
		config_space_set(c, BAR0 + 4 * i, 4, type);
		config_space_permit(c, BAR0 + 4 * i, 4, ~(size - 1) & 0xfffffff0u);
		if (!wide)
			continue;
		i++;
		config_space_set(c, BAR0 + 4 * i, 4, 0);
		config_space_permit(c, BAR0 + 4 * i, 4, ~(size - 1) >> 32);
	}
}

static void config_space_msi(struct serve_config_space *c, u32 at)
{
	u32 control = config_space_get(c, at + 2, 2);
	u32 data = control & 0x80 ? at + 12 : at + 8;

	config_space_permit(c, at + 2, 1, 0x71);
	config_space_permit(c, at + 4, 4, 0xfffffffc);
	if (control & 0x80)
		config_space_permit(c, at + 8, 4, 0xffffffff);
	config_space_permit(c, data, 2, 0xffff);
	if (control & 0x100)
		config_space_permit(c, data + 4, 4, 0xffffffff);
}

static void config_space_capabilities(struct serve_config_space *c)
{
	u32 at;

	at = config_space_find(c, CAP_PM);
	if (at)
		config_space_permit(c, at + 4, 2, 0x0103); /* power state, PME enable */
	at = config_space_find(c, CAP_MSI);
	if (at)
		config_space_msi(c, at);
	at = config_space_find(c, CAP_MSIX);
	if (at)
		config_space_permit(c, at + 2, 2, 0xc000); /* enable, function mask */
	at = config_space_find(c, CAP_EXPRESS);
	if (at) {
		config_space_permit(c, at + 0x08, 2, 0x7fff); /* device control without reset */
		config_space_permit(c, at + 0x10, 2, 0x01cb); /* link control */
		config_space_permit(c, at + 0x28, 2, 0xffff); /* device control 2 */
	}
}

void config_space_init(struct served *s)
{
	struct serve_config_space *c = &s->space;

	memset(c, 0, sizeof(*c));
	for (u32 i = 0; i < SERVE_CONFIG; i += 4)
		config_space_set(c, i, 4, dmamap_readl(s->dev, DMAMAP_CONFIG, i));
	config_space_permit(c, COMMAND, 2, 0x0547);
	config_space_permit(c, 0x0c, 2, 0xffff);
	config_space_permit(c, 0x3c, 1, 0xff);
	config_space_bars(s);
	config_space_capabilities(c);
	config_space_set(c, COMMAND, 2, 0);
	dmamap_writew(s->dev, DMAMAP_CONFIG, COMMAND, 0);
	irq_disable_line(s, false);
}

/* Whether the byte is stored here; every other byte is read from the device. */
static bool config_space_has(const struct serve_config_space *c, u32 at)
{
	return c->writable[at] || (at >= BAR0 && at < BAR0 + 24);
}

void config_space_read(struct served *s, u64 offset, u8 *to, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u32 at = (u32)offset + i;

		to[i] = config_space_has(&s->space, at) || !s->dev
				? s->space.bytes[at]
				: dmamap_readb(s->dev, DMAMAP_CONFIG, at);
	}
}

void config_space_write(struct served *s, u64 offset, const u8 *from, u32 n)
{
	struct serve_config_space *c = &s->space;

	for (u32 i = 0; i < n; i++) {
		u32 at = (u32)offset + i;

		c->bytes[at] =
			(u8)((c->bytes[at] & ~c->writable[at]) | (from[i] & c->writable[at]));
		if (s->dev)
			dmamap_writeb(s->dev, DMAMAP_CONFIG, at,
				      c->writable[at] ? c->bytes[at] : from[i]);
	}
	irq_disable_line(s, config_space_get(c, COMMAND, 2) & COMMAND_NO_LINE);
}
