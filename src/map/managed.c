/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/managed.h"
#include "base/alloc.h"
#include "base/error.h"

struct managed_mapping {
	struct managed_mapping *next;
	void (*release)(void *data);
	void *data;
};

int device_add_managed(struct device *dev, void (*release)(void *), void *data)
{
	struct managed_mapping *m = alloc_zeroed(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->release = release;
	m->data = data;
	lock_acquire(&dev->managed_lock);
	m->next = dev->managed;
	dev->managed = m;
	lock_release(&dev->managed_lock);
	return 0;
}

bool device_has_managed(struct device *dev, const void *data)
{
	const struct managed_mapping *m;

	lock_acquire(&dev->managed_lock);
	for (m = dev->managed; m && m->data != data; m = m->next)
		;
	lock_release(&dev->managed_lock);
	return m != NULL;
}

bool device_drop_managed(struct device *dev, void *data)
{
	struct managed_mapping **p, *m;

	lock_acquire(&dev->managed_lock);
	for (p = &dev->managed; *p && (*p)->data != data; p = &(*p)->next)
		;
	m = *p;
	if (m)
		*p = m->next;
	lock_release(&dev->managed_lock);
	alloc_free(m);
	return m != NULL;
}

void device_release_managed(struct device *dev)
{
	struct managed_mapping *m;

	while ((m = dev->managed)) {
		dev->managed = m->next;
		m->release(m->data);
		alloc_free(m);
	}
}
