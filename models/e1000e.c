/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An Intel 82574L gigabit Ethernet card (PCI 8086:10d3), after its published datasheet. Its cable
 * is connected to a second simulated card, to a program, or to capture files. This file creates and
 * destroys the card; e1000e.h states which thread may access which field.
 */
#include "e1000e.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EEPROM_SUM 0xbaba /* sum of the first 64 words */
#define PHY_ID1	   0x0141
#define PHY_ID2	   0x0cb1

/* The order of e1000e_keys. */
enum {
	KEY_WIRE,
	KEY_PCAP_IN,
	KEY_PCAP_OUT,
	KEY_LOOP,
	KEY_RATE,
	KEY_DROP,
	KEY_MAC,
	KEY_UNPLUG,
};

static int e1000esim_bad_value(const char *key, const char *text, const char *wanted)
{
	return dmamap_model_error(EINVAL, "sim:e1000e cannot have %s=%s: say %s", key, text,
				  wanted);
}

/* Parses aa:bb:cc:dd:ee:ff, which must be a unicast address. */
static int e1000esim_parse_mac(const char *text, u8 mac[6])
{
	static const char wanted[] = "six bytes as in mac=52:54:00:12:34:56, the first one even";
	const char *p = text;
	u8 bytes[6];
	int i;

	for (i = 0; i < 6; i++, p += 3) {
		if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) ||
		    p[2] != (i < 5 ? ':' : '\0'))
			return e1000esim_bad_value("mac", text, wanted);
		bytes[i] = (u8)strtoul(p, NULL, 16);
	}
	if (bytes[0] & 1)
		return e1000esim_bad_value("mac", text, wanted);
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}

/* Checks what the library cannot check: the form of two values, and which keys go together. */
static int e1000esim_check_values(struct e1000esim *c, const struct dmamap_model_value *v)
{
	const char *wire = v[KEY_WIRE].text;

	if (wire && !dmamap_wire_is_fd(wire) && strncmp(wire, "pair:", 5) != 0)
		return e1000esim_bad_value(
			"wire", wire,
			"pair:NAME, with the same name for the card at the other "
			"end, or fd:N, the number of an open descriptor");
	if (wire && v[KEY_PCAP_IN].text)
		return dmamap_model_error(
			EINVAL,
			"sim:e1000e cannot have both wire= and pcap-in=: packets come from a twin, "
			"from a program or from a file");
	if ((v[KEY_LOOP].given || v[KEY_RATE].given || v[KEY_DROP].given) && !v[KEY_PCAP_IN].text)
		return dmamap_model_error(
			EINVAL, "sim:e1000e has %s= but no pcap-in=: there is nothing to play",
			v[KEY_LOOP].given   ? "loop"
			: v[KEY_RATE].given ? "rate"
					    : "drop");
	c->in_drop = v[KEY_DROP].number;
	c->unplug = v[KEY_UNPLUG].number;
	return v[KEY_MAC].text ? e1000esim_parse_mac(v[KEY_MAC].text, c->mac) : 0;
}

/* Cards without mac= receive distinct locally administered addresses. */
static void e1000esim_choose_mac(u8 mac[6])
{
	static u32 cards;
	u32 n = __atomic_fetch_add(&cards, 1, __ATOMIC_RELAXED);
	const u8 made[6] = {0x02, 0x82, 0x57, 0x4c, (u8)(n >> 8), (u8)n};

	memcpy(mac, made, sizeof(made));
}

/* The first three words hold the MAC address; the last word makes the checksum valid. */
static void e1000esim_fill_eeprom(struct e1000esim *c)
{
	u16 sum = 0;
	int i;

	for (i = 0; i < 3; i++)
		c->regs.eeprom[i] = (u16)(c->mac[2 * i] | c->mac[2 * i + 1] << 8);
	c->regs.eeprom[0x0b] = 0x8086; /* subsystem vendor */
	c->regs.eeprom[0x0d] = 0x10d3; /* device */
	c->regs.eeprom[0x0e] = 0x8086; /* vendor */
	c->regs.eeprom[0x0f] = 0x4080;
	for (i = 0; i < 63; i++)
		sum = (u16)(sum + c->regs.eeprom[i]);
	c->regs.eeprom[63] = (u16)(EEPROM_SUM - sum);
	c->regs.phy[0] = 0x1140; /* autonegotiation, full duplex, 1000 Mbit/s */
	c->regs.phy[1] = 0x796d; /* link up, autonegotiation complete */
	c->regs.phy[2] = PHY_ID1;
	c->regs.phy[3] = PHY_ID2;
}

static void e1000esim_close_port(struct e1000esim *c)
{
	e1000e_wire_put(c->wire, c->end);
	e1000e_socket_close(c->socket);
	e1000e_in_close(&c->in);
	e1000e_out_close(&c->out);
}

static int e1000esim_open_port(struct e1000esim *c, const struct dmamap_model_value *v)
{
	const char *wire = v[KEY_WIRE].text, *in = v[KEY_PCAP_IN].text;
	int err = 0;

	c->in = (struct e1000e_in){.fd = -1, .over = true};
	if (in)
		err = e1000e_in_open(&c->in, in);
	if (!err && in) {
		c->in.over = false;
		c->in.loops = v[KEY_LOOP].number;
		c->in.rate = v[KEY_RATE].number;
	}
	if (!err && wire && dmamap_wire_is_fd(wire)) {
		err = e1000e_socket_open(&c->socket, wire);
	} else if (!err && wire) {
		c->wire = e1000e_wire_get(wire + strlen("pair:"), c, &c->end);
		err = c->wire ? 0 : -errno;
	}
	/* opened last, since opening empties the file */
	if (!err && v[KEY_PCAP_OUT].text)
		err = e1000e_out_open(&c->out, v[KEY_PCAP_OUT].text, c->in.fd);
	if (err)
		e1000esim_close_port(c);
	return err;
}

static int e1000e_create(struct device *dev, const struct dmamap_model_value *values, void **model)
{
	struct e1000esim *c = dmamap_model_alloc(sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->dev = dev;
	c->stepped = dmamap_model_stepped(dev);
	err = e1000esim_check_values(c, values);
	if (err)
		goto free_card;
	if (!values[KEY_MAC].text)
		e1000esim_choose_mac(c->mac);
	e1000esim_fill_eeprom(c);
	e1000e_crc_init(c->crc_table);
	e1000e_regs_reset(c);
	c->bell.work.pending = E1000E_PEND_CONTROL;
	err = e1000esim_open_port(c, values);
	if (err)
		goto free_card;
	if (!c->stepped)
		err = dmamap_model_thread_start(&c->thread, e1000e_worker, c, "sim:e1000e");
	if (err)
		goto close;
	*model = c;
	return 0;

close:
	e1000esim_close_port(c);
free_card:
	dmamap_model_free(c);
	return err;
}

static void e1000e_destroy(void *model)
{
	struct e1000esim *c = model;

	write_once(&c->bell.work.stop, 1);
	e1000e_ring_bell(c, E1000E_PEND_WORK);
	if (!c->stepped)
		pthread_join(c->thread, NULL);
	e1000esim_close_port(c);
	dmamap_model_free(c);
}

static const struct dmamap_model_key e1000e_keys[] = {
	[KEY_WIRE] =
		{.name = "wire",
		 .type = DMAMAP_MODEL_STRING,
		 .help = "pair:NAME: a cable to the card with the same name; fd:N: to a socket"},
	[KEY_PCAP_IN] = {.name = "pcap-in",
			 .type = DMAMAP_MODEL_FILE,
			 .help = "a capture file whose packets arrive at the card"},
	[KEY_PCAP_OUT] = {.name = "pcap-out",
			  .type = DMAMAP_MODEL_FILE,
			  .help = "a capture file to which sent packets are written"},
	[KEY_LOOP] = {.name = "loop",
		      .type = DMAMAP_MODEL_U64,
		      .help = "how often pcap-in is played; 0: without end",
		      .default_value = "1",
		      .most = 1ull << 62},
	[KEY_RATE] = {.name = "rate",
		      .type = DMAMAP_MODEL_U64,
		      .help = "packets of pcap-in in a second; not given: as fast as the driver",
		      .least = 1,
		      .most = 1ull << 62},
	[KEY_DROP] = {.name = "drop",
		      .type = DMAMAP_MODEL_BOOL,
		      .help = "1: a packet of pcap-in that finds no buffer is lost",
		      .default_value = "0"},
	[KEY_MAC] = {.name = "mac",
		     .type = DMAMAP_MODEL_STRING,
		     .help = "the card's address; not given: a local one"},
	[KEY_UNPLUG] = {.name = "unplug",
			.type = DMAMAP_MODEL_U64,
			.help = "the number of packets after which the card is unplugged",
			.least = 1,
			.most = 1ull << 62},
};

const struct dmamap_model_ops model_e1000e = {
	DMAMAP_MODEL_HEAD,
	.flags = DMAMAP_MODEL_OWN_THREADS,
	.name = "e1000e",
	.help = "an Intel 82574L gigabit Ethernet card (PCI 8086:10d3)",
	.keys = e1000e_keys,
	.n_keys = ARRAY_SIZE(e1000e_keys),
	.pci = {.vendor = 0x8086,
		.device = 0x10d3,
		.subsystem_vendor = 0x8086,
		.class_code = 0x020000,
		.msi = 1,
		.msix = E1000E_VECTORS,
		.table_bar = 3,
		.pba_bar = 3,
		.pba_offset = 0x2000,
		.express = true,
		.intx = true},
	/* registers, flash, I/O ports, MSI-X tables */
	.region = {{.size = E1000E_BAR_BYTES, .access = 4 | 8},
		   {.size = E1000E_BAR_BYTES, .access = 4 | 8},
		   {.size = 32, .flags = DMAMAP_BAR_IO, .access = 4 | 8},
		   {.size = 16384, .access = 4 | 8}},
	.create = e1000e_create,
	.destroy = e1000e_destroy,
	.read = e1000e_read,
	.write = e1000e_write,
	.line = e1000e_line,
	.reset = e1000esim_reset,
	.step = e1000e_step,
};
