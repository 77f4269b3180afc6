/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fault injection of the runtime's own sites: kmalloc, skb, irq, ioremap, register. dmamap
 * implements the others.
 */
#include "core.h"

static struct host_mutex lock;
static unsigned long calls; /* of the chosen site, under lock */
static const char *site;
static unsigned long nth;
static bool read;

bool kmod_fail(const char *name)
{
	struct kmod_stack stack;
	bool fail;

	host_lock(&lock);
	if (!read) {
		site = kmod_option("fail");
		nth = (unsigned long)kmod_option_int("nth", 0);
		read = true;
	}
	fail = site && nth && !strcmp(site, name) && ++calls == nth;
	host_unlock(&lock);
	if (!fail)
		return false;
	kmod_stack_take(&stack);
	kmod_finding_at("injected", &stack, NULL, NULL, name);
	return true;
}

void *kmod_calloc(const char *name, size_t n, size_t size)
{
	return (name && kmod_fail(name)) || kmod_fail("runtime") ? NULL : host_calloc(n, size);
}
