/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: objects that the driver has acquired and not released, with the stack of the
 * acquisition. The latest freed objects are recorded as well, so that the report of a use after
 * free shows both stacks.
 */
#include "core.h"

const void *kmod_page_at(const void *page);
int kmod_page_refs(const void *page);

#define BUCKETS	     8192
#define REMOVED_KEPT 8192

struct ledger_entry {
	struct ledger_entry *next;
	const void *object;
	size_t size;
	enum kmod_object kind;
	u64 order;
	struct kmod_stack at;
};

struct ledger_removed {
	const void *object; /* for pages, their address */
	size_t size;
	u64 order; /* number of the removal, from the count that also numbers entries */
	struct kmod_stack allocated, freed;
};

static struct host_mutex lock; /* guards the variables below */
static struct ledger_entry *ledger_buckets[BUCKETS];
static struct ledger_removed ledger_removed[REMOVED_KEPT];
static unsigned int removed_next;
static u64 ledger_orders;

static const struct {
	const char *kind, *what;
} names[KMOD_OBJECTS] = {
	[KMOD_MEMORY] = {"leak-memory", "memory was not freed"},
	[KMOD_PAGES] = {"leak-pages", "pages were not freed"},
	[KMOD_SKB] = {"leak-skb", "a socket buffer was not freed"},
	[KMOD_TIMER] = {"leak-timer", "a timer is still armed"},
	[KMOD_WORK] = {"leak-work", "a work item is still queued"},
	[KMOD_IRQ] = {"leak-irq", "an interrupt is still requested"},
	[KMOD_REGION] = {"leak-region", "a region is still reserved"},
	[KMOD_IOMAP] = {"leak-iomap", "registers are still mapped"},
	[KMOD_NETDEV] = {"leak-netdev", "a network device was not freed"},
	[KMOD_NAPI] = {"leak-napi", "a NAPI instance is still enabled"},
	[KMOD_WORKQUEUE] = {"leak-workqueue", "a work queue was not destroyed"},
	[KMOD_KTHREAD] = {"leak-kthread", "a kernel thread was not stopped"},
	[KMOD_CHARDEV] = {"leak-chardev", "a character device is still registered"},
	[KMOD_FILE] = {"leak-file", "a sysfs or debugfs entry was not removed"},
	[KMOD_FIRMWARE] = {"leak-firmware", "firmware was not released"},
	[KMOD_CACHE] = {"leak-cache", "a kmem_cache was not destroyed"},
	[KMOD_POOL] = {"leak-page-pool", "a page pool was not destroyed"},
	[KMOD_DRIVER] = {"leak-driver", "a driver is still registered"},
	[KMOD_ENABLED] = {"leak-enabled", "the PCI device is still enabled"},
};

static struct ledger_entry **ledger_find(enum kmod_object kind, const void *object)
{
	struct ledger_entry **at =
		&ledger_buckets[((unsigned long)object >> 4) * 2654435761u % BUCKETS];

	while (*at && ((*at)->object != object || (*at)->kind != kind))
		at = &(*at)->next;
	return at;
}

static const void *ledger_address(const struct ledger_entry *e)
{
	return e->kind == KMOD_PAGES ? kmod_page_at(e->object) : e->object;
}

void kmod_ledger_add(enum kmod_object kind, const void *object, size_t size)
{
	struct ledger_entry *e = host_calloc(1, sizeof(*e)), **at;

	if (!e)
		kmod_oops("ledger", "no memory for the ledger");
	e->object = object;
	e->size = size;
	e->kind = kind;
	kmod_stack_take(&e->at);
	host_lock(&lock);
	at = ledger_find(kind, object);
	if (*at) { /* the page was freed and allocated again by another path */
		struct ledger_entry *old = *at;

		*at = old->next;
		host_free(old);
	}
	e->order = ++ledger_orders;
	e->next = *at;
	*at = e;
	host_unlock(&lock);
}

bool kmod_ledger_del(enum kmod_object kind, const void *object)
{
	struct ledger_entry **at, *e;
	struct kmod_stack here;

	kmod_stack_take(&here);
	host_lock(&lock);
	at = ledger_find(kind, object);
	e = *at;
	if (e) {
		*at = e->next;
		if (kind == KMOD_MEMORY || kind == KMOD_SKB || kind == KMOD_PAGES)
			ledger_removed[removed_next++ % REMOVED_KEPT] = (struct ledger_removed){
				ledger_address(e), e->size, ++ledger_orders, e->at, here};
	}
	host_unlock(&lock);
	host_free(e);
	return e != NULL;
}

void kmod_ledger_given(enum kmod_object kind, const void *object, unsigned long fn)
{
	struct ledger_entry *e;

	host_lock(&lock);
	e = *ledger_find(kind, object);
	if (e)
		e->at = (struct kmod_stack){.n = 1, .pc = {fn + 1}};
	host_unlock(&lock);
}

bool kmod_ledger_find(enum kmod_object kind, const void *object, size_t *size,
		      struct kmod_stack *stack)
{
	struct ledger_entry *e;

	host_lock(&lock);
	e = *ledger_find(kind, object);
	if (e && size)
		*size = e->size;
	if (e && stack)
		*stack = e->at;
	host_unlock(&lock);
	return e != NULL;
}

void kmod_ledger_freeing(const void *p, size_t n)
{
	static const enum kmod_object kinds[] = {KMOD_TIMER, KMOD_WORK, KMOD_NAPI};
	struct ledger_entry found[4];
	unsigned int n_found = 0;

	host_lock(&lock);
	for (unsigned int b = 0; b < BUCKETS; b++) {
		for (struct ledger_entry *e = ledger_buckets[b]; e; e = e->next) {
			if (n_found < ARRAY_SIZE(found) &&
			    (e->kind == kinds[0] || e->kind == kinds[1] || e->kind == kinds[2]) &&
			    (unsigned long)e->object - (unsigned long)p < n)
				found[n_found++] = *e;
		}
	}
	host_unlock(&lock);
	for (unsigned int i = 0; i < n_found; i++)
		kmod_finding_with("freed-active", &found[i].at,
				  "it was armed, queued or enabled here",
				  "memory is freed that has an active object in it: %s",
				  names[found[i].kind].what);
}

/*
 * Returns the live object at `a`, or else the one whose beginning or end is nearest. `distance` is
 * 0 inside the object. Called with the lock held.
 */
static const struct ledger_entry *ledger_near(unsigned long a, unsigned long *distance)
{
	const struct ledger_entry *found = NULL;

	*distance = ~0ul;
	for (unsigned int b = 0; b < BUCKETS; b++) {
		for (const struct ledger_entry *e = ledger_buckets[b]; e; e = e->next) {
			unsigned long slack = e->kind == KMOD_PAGES ? 4096 : 64, at, off;

			if (e->kind != KMOD_MEMORY && e->kind != KMOD_PAGES)
				continue;
			at = (unsigned long)ledger_address(e);
			off = a < at ? at - a : a - at < e->size ? 0 : a - at - e->size + 1;
			if (off <= slack && off < *distance) {
				found = e;
				*distance = off;
			}
		}
	}
	return found;
}

/* Returns the object that contained `a` and was freed last. Called with the lock held. */
static const struct ledger_removed *ledger_find_removed(unsigned long a)
{
	for (unsigned int i = 0; i < REMOVED_KEPT; i++) {
		const struct ledger_removed *e =
			&ledger_removed[(removed_next - 1 - i) % REMOVED_KEPT];

		if (e->object && a - (unsigned long)e->object < e->size)
			return e;
	}
	return NULL;
}

bool kmod_ledger_describe(const void *addr, char *text, size_t size, struct kmod_stack *allocated,
			  struct kmod_stack *freed)
{
	unsigned long a = (unsigned long)addr, distance, at;
	const struct ledger_entry *e;
	const struct ledger_removed *old;

	allocated->n = freed->n = 0;
	host_lock(&lock);
	e = ledger_near(a, &distance);
	old = distance ? ledger_find_removed(a) : NULL;
	at = e ? (unsigned long)ledger_address(e) : 0;
	/* `a` is beside a live object, and was in another one before */
	if (e && old && old->order < e->order && (unsigned long)old->object < at + e->size)
		old = NULL;
	if (old) {
		snprintf(text, size, "%ld bytes inside an object of %zu bytes that was freed",
			 (long)(a - (unsigned long)old->object), old->size);
		*allocated = old->allocated;
		*freed = old->freed;
	} else if (e) {
		snprintf(text, size, "%ld bytes %s an object of %zu bytes",
			 (long)(a < at	   ? at - a
				: distance ? distance - 1
					   : a - at),
			 a < at	    ? "before"
			 : distance ? "past the end of"
				    : "inside",
			 e->size);
		*allocated = e->at;
	}
	host_unlock(&lock);
	return e || old;
}

unsigned int kmod_ledger_report(void)
{
	unsigned int n = 0;

	for (u64 last = 0;;) {
		struct ledger_entry found = {.order = 0};

		host_lock(&lock);
		for (unsigned int b = 0; b < BUCKETS; b++) {
			for (struct ledger_entry *e = ledger_buckets[b]; e; e = e->next) {
				if (e->order > last && (!found.order || e->order < found.order))
					found = *e;
			}
		}
		host_unlock(&lock);
		if (!found.order)
			return n;
		last = found.order;
		if (found.kind == KMOD_PAGES && !kmod_page_refs(found.object))
			continue;
		if (++n <= 64) {
			char text[128];

			snprintf(text, sizeof(text), "%s at the end (%zu bytes)",
				 names[found.kind].what, found.size);
			kmod_finding_at(names[found.kind].kind, &found.at, NULL, NULL, text);
		}
	}
}
