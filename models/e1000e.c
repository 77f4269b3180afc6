/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An Intel 82574L gigabit Ethernet card (PCI 8086:10d3), after its published datasheet. Its cable
 * is connected to a second simulated card, to a program, or to capture files. This file creates and
 * destroys the card; e1000e.h states which thread may access which field.
 */
#include "e1000e.h"
#include "base/alloc.h"
#include "base/error.h"
#include "thread.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EEPROM_SUM 0xbaba /* sum of the first 64 words */
#define PHY_ID1	   0x0141
#define PHY_ID2	   0x0cb1

/* Options of the device's spec. */
struct e1000e_args {
	const char *wire, *socket, *in, *out;
	bool has_mac, has_loop, has_rate, has_drop;
	u64 loop, rate;
};

static int e1000esim_bad_value(const struct model_arg *a, const char *wanted)
{
	return error_set(EINVAL, "sim:e1000e cannot have %s=%s: say %s", a->key, a->value, wanted);
}

static int e1000esim_parse_number(const struct model_arg *a, u64 least, u64 *out)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(a->value, &end, 10);
	if (!isdigit((unsigned char)a->value[0]) || *end || errno || v < least || v > 1ull << 62)
		return e1000esim_bad_value(a, least ? "a number from 1 on"
						    : "a number, 0 for without end");
	*out = v;
	return 0;
}

/* Parses aa:bb:cc:dd:ee:ff, which must be a unicast address. */
static int e1000esim_parse_mac(const struct model_arg *a, u8 mac[6])
{
	static const char wanted[] = "six bytes as in mac=52:54:00:12:34:56, the first one even";
	const char *p = a->value;
	u8 bytes[6];
	int i;

	for (i = 0; i < 6; i++, p += 3) {
		if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) ||
		    p[2] != (i < 5 ? ':' : '\0'))
			return e1000esim_bad_value(a, wanted);
		bytes[i] = (u8)strtoul(p, NULL, 16);
	}
	if (bytes[0] & 1)
		return e1000esim_bad_value(a, wanted);
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}

static int e1000esim_parse_arg(struct e1000esim *c, const struct model_arg *a,
			       struct e1000e_args *args)
{
	if (!strcmp(a->key, "wire")) {
		if (wire_is_fd(a->value))
			args->socket = a->value;
		else if (!strncmp(a->value, "pair:", 5))
			args->wire = a->value + 5;
		else
			return e1000esim_bad_value(
				a, "pair:NAME, with the same name for the card at the other "
				   "end, or fd:N, the number of an open descriptor");
		return 0;
	}
	if (!strcmp(a->key, "pcap-in")) {
		args->in = a->value;
		return 0;
	}
	if (!strcmp(a->key, "pcap-out")) {
		args->out = a->value;
		return 0;
	}
	if (!strcmp(a->key, "mac")) {
		args->has_mac = true;
		return e1000esim_parse_mac(a, c->mac);
	}
	if (!strcmp(a->key, "loop")) {
		args->has_loop = true;
		return e1000esim_parse_number(a, 0, &args->loop);
	}
	if (!strcmp(a->key, "drop")) {
		args->has_drop = true;
		if (strcmp(a->value, "0") != 0 && strcmp(a->value, "1") != 0)
			return e1000esim_bad_value(a, "0 or 1");
		c->in_drop = a->value[0] == '1';
		return 0;
	}
	if (!strcmp(a->key, "rate")) {
		args->has_rate = true;
		return e1000esim_parse_number(a, 1, &args->rate);
	}
	return e1000esim_parse_number(a, 1, &c->unplug);
}

static int e1000esim_parse_args(struct e1000esim *c, const struct model_arg *args, int n_args,
				struct e1000e_args *a)
{
	int i, err = 0;

	for (i = 0; i < n_args && !err; i++)
		err = e1000esim_parse_arg(c, &args[i], a);
	if (err)
		return err;
	if ((a->wire || a->socket) && a->in)
		return error_set(
			EINVAL,
			"sim:e1000e cannot have both wire= and pcap-in=: packets come from a twin, "
			"from a program or from a file");
	if ((a->has_loop || a->has_rate || a->has_drop) && !a->in)
		return error_set(EINVAL,
				 "sim:e1000e has %s= but no pcap-in=: there is nothing to play",
				 a->has_loop   ? "loop"
				 : a->has_rate ? "rate"
					       : "drop");
	return 0;
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

static int e1000esim_open_port(struct e1000esim *c, const struct e1000e_args *a)
{
	int err = 0;

	c->in = (struct e1000e_in){.fd = -1, .over = true};
	if (a->in)
		err = e1000e_in_open(&c->in, a->in);
	if (!err && a->in) {
		c->in.over = false;
		c->in.loops = a->has_loop ? a->loop : 1;
		c->in.rate = a->rate;
	}
	if (!err && a->socket)
		err = e1000e_socket_open(&c->socket, a->socket);
	if (!err && a->wire) {
		c->wire = e1000e_wire_get(a->wire, c, &c->end);
		err = c->wire ? 0 : -errno;
	}
	/* opened last, since opening empties the file */
	if (!err && a->out)
		err = e1000e_out_open(&c->out, a->out, c->in.fd);
	if (err)
		e1000esim_close_port(c);
	return err;
}

static int e1000e_create(struct device *dev, const struct model_arg *args, int n_args, void **model)
{
	struct e1000esim *c = alloc_aligned(64, sizeof(*c));
	struct e1000e_args a = {0};
	int err;

	if (!c)
		return -ENOMEM;
	c->dev = dev;
	err = e1000esim_parse_args(c, args, n_args, &a);
	if (err)
		goto free_card;
	if (!a.has_mac)
		e1000esim_choose_mac(c->mac);
	e1000esim_fill_eeprom(c);
	e1000e_crc_init(c->crc_table);
	e1000e_regs_reset(c);
	c->bell.work.pending = E1000E_PEND_CONTROL;
	err = e1000esim_open_port(c, &a);
	if (err)
		goto free_card;
	err = model_thread_start(&c->thread, e1000e_worker, c, "sim:e1000e");
	if (err)
		goto close;
	*model = c;
	return 0;

close:
	e1000esim_close_port(c);
free_card:
	alloc_free(c);
	return err;
}

static void e1000e_destroy(void *model)
{
	struct e1000esim *c = model;

	write_once(&c->bell.work.stop, 1);
	e1000e_ring_bell(c, E1000E_PEND_WORK);
	pthread_join(c->thread, NULL);
	e1000esim_close_port(c);
	alloc_free(c);
}

static const char *const e1000e_keys[] = {"wire", "pcap-in", "pcap-out", "loop", "rate",
					  "drop", "mac",     "unplug",	 NULL};

static const struct model_pci e1000e_pci = {
	.vendor = 0x8086,
	.device = 0x10d3,
	.subsystem_vendor = 0x8086,
	.class_code = 0x020000,
	.msi = 1,
	.msix = E1000E_VECTORS,
	.msix_bar = 3,
	.msix_pending = 0x2000,
	.express = true,
	.line = true,
	/* registers, flash, I/O ports, MSI-X tables */
	.bar = {{.size = E1000E_BAR_BYTES},
		{.size = E1000E_BAR_BYTES},
		{.size = 32, .flags = DMAMAP_BAR_IO},
		{.size = 16384}},
};

const struct model_ops model_e1000e = {
	.name = "e1000e",
	.keys = e1000e_keys,
	.pci = &e1000e_pci,
	.vectors = E1000E_VECTORS,
	.create = e1000e_create,
	.destroy = e1000e_destroy,
	.read = e1000e_read,
	.write = e1000e_write,
	.line = e1000e_line,
};
