/* SPDX-License-Identifier: BSD-2-Clause */
#include "card.h"
#include "drivers/e1000e.h"

#include <dmamap/device.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct xsk_card {
	struct xsk_card *next; /* The lock `lock` guards all fields. */
	unsigned int users;
	char *ifname; /* as the application wrote it */
	struct device *dev;
	unsigned int forks;    /* of the process that opened it */
	bool ours;	       /* this file opened it */
	struct e1000e *driver; /* NULL: the device needs none, or the program drives it itself */
	bool started;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct xsk_card *cards;
static unsigned int forks; /* how often this process is a child of another with cards */

/*
 * Attaches a driver to a device that this file opened. 0; -errno. A device without a known driver
 * is used without one.
 */
static int xsk_card_attach_driver(struct xsk_card *c)
{
	c->driver = e1000e_probe(c->dev, NULL);
	if (!c->driver && errno != ENODEV)
		return -errno;
	return 0;
}

static void xsk_card_free(struct xsk_card *c)
{
	e1000e_remove(c->driver);
	if (c->ours)
		dmamap_close(c->dev);
	free(c->ifname);
	free(c);
}

/* The caller holds `lock`. */
static struct xsk_card *xsk_card_new(const char *ifname)
{
	struct xsk_card *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return NULL;
	c->forks = forks;
	c->ifname = strdup(ifname);
	c->dev = dmamap_find(ifname);
	if (c->ifname && !c->dev) {
		c->dev = dmamap_open(ifname);
		c->ours = c->dev != NULL;
		/* the text is neither a device nor a spec, so the name is wrong */
		if (!c->dev && errno == EINVAL && !strpbrk(ifname, ":,="))
			errno = ENODEV;
	}
	err = !c->ifname ? ENOMEM : !c->dev ? errno : c->ours ? -xsk_card_attach_driver(c) : 0;
	if (!err)
		return c;
	xsk_card_free(c);
	errno = err;
	return NULL;
}

struct xsk_card *xsk_card_get(const char *ifname)
{
	struct xsk_card *c;

	pthread_mutex_lock(&lock);
	for (c = cards; c && strcmp(c->ifname, ifname) != 0; c = c->next)
		;
	/* the program may have closed its device and opened another under the same name */
	if (c && !c->ours && c->dev != dmamap_find(ifname))
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

int xsk_card_start(struct xsk_card *c)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (c->driver && !c->started) {
		err = e1000e_start(c->driver);
		if (!err)
			err = e1000e_serve(c->driver, false);
	}
	if (!err)
		c->started = true;
	pthread_mutex_unlock(&lock);
	return err;
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
