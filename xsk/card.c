/* SPDX-License-Identifier: BSD-2-Clause */
#include "card.h"
#include "name.h"
#include "drivers/e1000e.h"

#include <dmamap/device.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct xsk_card {
	struct xsk_card *next; /* `lock` guards all fields */
	unsigned int users;
	char *ifname; /* as given by the application */
	struct device *dev;
	unsigned int forks; /* value of `forks` in the process that opened it */
	bool ours;	    /* opened by this file */
	/* NULL: the device needs no driver, or the program drives it itself */
	struct e1000e *driver;
	bool started;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_card *cards;
static unsigned int forks; /* number of forks between this process and the first one with cards */

/*
 * Attaches a driver to a device that this file opened. Returns 0 or -errno. A device without a
 * known driver is used without one.
 */
static int xsk_card_attach_driver(struct xsk_card *c)
{
	/* every frame is received; the socket refuses frames that are too long for it */
	const struct e1000e_options options = {.max_frame = E1000E_FRAME_LONG};

	c->driver = e1000e_probe(c->dev, &options);
	if (!c->driver)
		return errno == ENODEV ? 0 : -errno;
	/*
	 * The thread idles until the card is started, so that starting the card needs no resources.
	 */
	return e1000e_serve(c->driver, false);
}

static void xsk_card_free(struct xsk_card *c)
{
	e1000e_remove(c->driver);
	if (c->ours)
		dmamap_close(c->dev);
	free(c->ifname);
	free(c);
}

/* A name of DMAMAP_XSK has the same address in every program and after every open. */
static struct device *xsk_card_open_spec(const struct xsk_name *name, const char *spec)
{
	struct device *dev;
	char *text;

	if (!name || strncmp(spec, "sim:e1000e", 10) != 0 || strstr(spec, ",mac="))
		return dmamap_open(spec);
	if (asprintf(&text, "%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", spec, name->mac[0],
		     name->mac[1], name->mac[2], name->mac[3], name->mac[4], name->mac[5]) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	dev = dmamap_open(text);
	free(text);
	return dev;
}

/* The caller holds `lock`. */
static struct xsk_card *xsk_card_new(const char *ifname)
{
	const struct xsk_name *name = xsk_name_find(ifname);
	const char *spec = name ? name->spec : ifname;
	struct xsk_card *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return NULL;
	c->forks = forks;
	c->ifname = strdup(ifname);
	c->dev = dmamap_find(spec);
	if (c->ifname && !c->dev) {
		c->dev = xsk_card_open_spec(name, spec);
		c->ours = c->dev != NULL;
		/* the text is neither a device nor a spec, so the name is wrong */
		if (!c->dev && errno == EINVAL && !strpbrk(spec, ":,="))
			errno = ENODEV;
	}
	if (name && !c->dev)
		fprintf(stderr, "dmamap-xsk: DMAMAP_XSK: cannot open %s=%s: %s\n", name->ifname,
			name->spec, dmamap_strerror());
	err = !c->ifname ? ENOMEM : !c->dev ? errno : c->ours ? -xsk_card_attach_driver(c) : 0;
	if (!err)
		return c;
	xsk_card_free(c);
	errno = err;
	return NULL;
}

static const char *xsk_card_spec(const char *ifname)
{
	const struct xsk_name *name = xsk_name_find(ifname);

	return name ? name->spec : ifname;
}

struct xsk_card *xsk_card_get(const char *ifname)
{
	struct xsk_card *c;

	pthread_mutex_lock(&lock);
	for (c = cards; c && strcmp(c->ifname, ifname) != 0; c = c->next)
		;
	/* the program may have closed its device and opened another under the same name */
	if (c && !c->ours && c->dev != dmamap_find(xsk_card_spec(ifname)))
		c = NULL;
	if (!c) {
		c = xsk_card_new(ifname);
		if (c) {
			c->next = cards;
			cards = c;
		}
	}
	if (c)
		c->users++;
	pthread_mutex_unlock(&lock);
	return c;
}

void xsk_card_put(struct xsk_card *c)
{
	struct xsk_card **at;

	if (!c || c->forks != forks)
		return;
	pthread_mutex_lock(&lock);
	if (!--c->users) {
		for (at = &cards; *at != c; at = &(*at)->next)
			;
		*at = c->next;
		xsk_card_free(c);
	}
	pthread_mutex_unlock(&lock);
}

struct device *xsk_card_device(struct xsk_card *c)
{
	return c->dev;
}

int xsk_card_bind(struct xsk_card *c, u32 queue, struct xdp_sock *xs, struct xdp_umem *umem,
		  u16 flags, struct xdp_sock *shared)
{
	const struct xsk_name *name = xsk_name_find(c->ifname);
	int err = 0;

	/* the UMEM is compared with the MTU that the program has set */
	if (name)
		err = xdp_set_mtu(c->dev, __atomic_load_n(&name->mtu, __ATOMIC_RELAXED));
	return err ? err : xdp_sock_bind(xs, umem, c->dev, queue, flags, shared);
}

int xsk_card_start(struct xsk_card *c)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (c->driver && !c->started)
		err = e1000e_start(c->driver);
	if (!err)
		c->started = true;
	pthread_mutex_unlock(&lock);
	return err;
}

void xsk_card_read_traffic(const char *ifname, struct xsk_card_traffic *t)
{
	struct e1000e_stats stats;
	struct xsk_card *c;

	*t = (struct xsk_card_traffic){0};
	pthread_mutex_lock(&lock);
	for (c = cards; c && strcmp(c->ifname, ifname) != 0; c = c->next)
		;
	if (c && c->driver) {
		e1000e_stats(c->driver, &stats);
		t->rx_packets = stats.rx_packets;
		t->rx_bytes = stats.rx_bytes;
		t->tx_packets = stats.tx_packets;
		t->tx_bytes = stats.tx_bytes;
		t->rx_dropped = stats.rx_refused + stats.rx_too_long + stats.card_missed;
	}
	pthread_mutex_unlock(&lock);
}

/* A child of fork() has no cards: those that it inherited are its parent's. */
static void card_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	cards = NULL;
	forks++;
}

__attribute__((constructor)) static void card_fork_register(void)
{
	pthread_atfork(NULL, NULL, card_fork_child);
}
