/* SPDX-License-Identifier: BSD-2-Clause */
#include "name.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct xsk_name names[NAMES_MAX];
static unsigned int n_names;

/* A locally administered address of one station: the hash of the name (FNV-1a). */
static void xsk_name_make_mac(struct xsk_name *name)
{
	u32 hash = 2166136261u;

	for (const char *at = name->ifname; *at; at++)
		hash = (hash ^ (u8)*at) * 16777619u;
	name->mac[0] = 0x02;
	name->mac[1] = 0xd0;
	for (int i = 0; i < 4; i++)
		name->mac[2 + i] = (u8)(hash >> (24 - 8 * i));
}

/*
 * Reads the key mac= of the spec. Returns false if it is missing or invalid; opening the device
 * reports the latter.
 */
static bool xsk_name_read_mac(struct xsk_name *name)
{
	const char *at = name->spec;
	unsigned int b[6];

	while ((at = strstr(at, ",mac="))) {
		at += 5;
		if (sscanf(at, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4],
			   &b[5]) != 6)
			continue;
		for (int i = 0; i < 6; i++)
			name->mac[i] = (u8)b[i];
		return true;
	}
	return false;
}

/* One IFNAME=SPEC of `len` bytes. */
static void xsk_name_add(const char *text, size_t len)
{
	const char *equal = memchr(text, '=', len);
	struct xsk_name *name = &names[n_names];
	size_t ifname_len = equal ? (size_t)(equal - text) : 0;

	if (!ifname_len || ifname_len >= IFNAMSIZ || ifname_len + 1 == len ||
	    memchr(text, '/', ifname_len)) {
		fprintf(stderr,
			"dmamap-xsk: DMAMAP_XSK: \"%.*s\" is left out: write IFNAME=SPEC with a "
			"name of 1 to %d characters, and a semicolon between two of them\n",
			(int)len, text, IFNAMSIZ - 1);
		return;
	}
	if (n_names == NAMES_MAX) {
		fprintf(stderr, "dmamap-xsk: DMAMAP_XSK: only %d names are possible\n", NAMES_MAX);
		return;
	}
	name->spec = strndup(equal + 1, len - ifname_len - 1);
	if (!name->spec)
		return;
	memcpy(name->ifname, text, ifname_len);
	name->ifname[ifname_len] = '\0';
	name->index = XSK_NAME_INDEX + n_names;
	name->mtu = XSK_NAME_MTU;
	if (!xsk_name_read_mac(name))
		xsk_name_make_mac(name);
	n_names++;
}

static void xsk_name_read_all(void)
{
	const char *at = secure_getenv("DMAMAP_XSK");

	for (; at && *at; at += *at == ';') {
		size_t len;

		while (isspace((unsigned char)*at))
			at++;
		len = strcspn(at, ";");
		if (len)
			xsk_name_add(at, len);
		at += len;
	}
}

bool xsk_names_exist(void)
{
	pthread_once(&once, xsk_name_read_all);
	return n_names != 0;
}

struct xsk_name *xsk_name_find(const char *ifname)
{
	for (unsigned int i = 0; ifname && xsk_names_exist() && i < n_names; i++)
		if (!strcmp(names[i].ifname, ifname))
			return &names[i];
	return NULL;
}

struct xsk_name *xsk_name_by_index(unsigned int index)
{
	if (!xsk_names_exist() || index < XSK_NAME_INDEX || index - XSK_NAME_INDEX >= n_names)
		return NULL;
	return &names[index - XSK_NAME_INDEX];
}

void xsk_name_set_program(const char *ifname)
{
	struct xsk_name *name = xsk_name_find(ifname);

	if (name)
		__atomic_store_n(&name->program, true, __ATOMIC_RELAXED);
}
