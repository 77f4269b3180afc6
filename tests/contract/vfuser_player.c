/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device of the unit tests' server. Where the memory's file is not shared, every access is a
 * message, whatever the server has recorded, so that the client decides alone.
 */
#include "vfuser_player.h"
#include "player_itself.h"

#include "../unit/vfu_rig.h"

#define PLAYERS 8
#define AT_ONCE 65536u /* bytes of one message */

static struct player {
	struct device *dev; /* NULL: free */
	struct rig_conn *conn;
	bool message;
	pthread_mutex_t lock; /* one access at a time */
	bool refused;
	struct dmamap_fault last;
} players[PLAYERS];
static pthread_mutex_t players_lock = PTHREAD_MUTEX_INITIALIZER;

void player_start(void)
{
	rig_start();
	for (int i = 0; i < PLAYERS; i++)
		pthread_mutex_init(&players[i].lock, NULL);
}

void player_end(void)
{
	rig_end();
}

static struct player *player_of(const struct device *dev)
{
	for (int i = 0; i < PLAYERS; i++)
		if (players[i].dev == dev)
			return &players[i];
	return NULL;
}

/* "vfio-user:,KEYS" with the server's socket; other specs are tests of the spec itself. */
struct device *player_open(const char *spec)
{
	static const char start[] = "vfio-user:";
	struct player *p;
	struct device *dev;
	char full[512];

	if (!spec || strncmp(spec, start, strlen(start)) != 0)
		return dmamap_open(spec);
	snprintf(full, sizeof(full), "%s%s%s", start, rig.path, spec + strlen(start));
	pthread_mutex_lock(&players_lock);
	p = player_of(NULL);
	dev = dmamap_open(full);
	if (dev) {
		*p = (struct player){.dev = dev,
				     .conn = rig.newest,
				     .message = strstr(spec, "dma=message") ||
						strstr(spec, "untrusted=1")};
		pthread_mutex_init(&p->lock, NULL);
	}
	pthread_mutex_unlock(&players_lock);
	return dev;
}

void player_close(struct device *dev)
{
	struct player *p = dev ? player_of(dev) : NULL;

	dmamap_close(dev);
	pthread_mutex_lock(&players_lock);
	if (p)
		p->dev = NULL;
	pthread_mutex_unlock(&players_lock);
}

static int play_messages(struct player *p, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	int err = 0;

	for (size_t done = 0, part; done < n && !err; done += part) {
		part = n - done < AT_ONCE ? n - done : AT_ONCE;
		err = rig_access_message(p->conn, addr + done, buf + done, part, write);
	}
	return err;
}

static int play(struct player *p, dma_addr_t addr, u8 *buf, size_t n, bool write)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = p->message ? play_messages(p, addr, buf, n, write)
			 : rig_access(p->conn, addr, buf, n, write);
	if (err == -EFAULT) {
		p->last = (struct dmamap_fault){.addr = addr, .len = n, .write = write};
		p->refused = true;
	}
	pthread_mutex_unlock(&p->lock);
	p->dev->ops.collect_faults(p->dev); /* the reports that the test expects are made then */
	return err;
}

int player_read(struct device *dev, dma_addr_t addr, void *buf, size_t n)
{
	struct player *p = dev ? player_of(dev) : NULL;
	u8 *seen;
	int err;

	if (!p || !n)
		return p ? 0 : dmamap_bus_read(dev, addr, buf, n);
	seen = malloc(n);
	err = seen ? play(p, addr, seen, n, false) : -ENOMEM;
	if (!err)
		memcpy(buf, seen, n);
	free(seen);
	return err;
}

int player_write(struct device *dev, dma_addr_t addr, const void *buf, size_t n)
{
	struct player *p = dev ? player_of(dev) : NULL;

	if (!p || !n)
		return p ? 0 : dmamap_bus_write(dev, addr, buf, n);
	return play(p, addr, (u8 *)(uintptr_t)buf, n, true);
}

int player_fault_next(struct device *dev, struct dmamap_fault *f)
{
	struct player *p = dev ? player_of(dev) : NULL;
	struct dmamap_fault record;
	int n;

	if (!p || !f)
		return dmamap_bus_fault_next(dev, f);
	n = dmamap_bus_fault_next(dev, &record);
	if (n == 1)
		*f = record;
	if (p->refused) { /* the access may have been several messages */
		f->addr = p->last.addr;
		f->len = p->last.len;
		f->write = p->last.write;
		n = 1;
	}
	p->refused = false;
	return n;
}
