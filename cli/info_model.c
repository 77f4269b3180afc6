/* SPDX-License-Identifier: BSD-2-Clause */
/* `dmamap info sim:NAME`: a model's keys, its PCI identity and its regions. No device is opened. */
#include "cli.h"

#include "device/model.h"

#include <stdio.h>
#include <string.h>

bool info_is_model(const char *spec)
{
	return !strncmp(spec, "sim:", 4);
}

static const char *info_model_default(const struct dmamap_model_key *key)
{
	return key->default_value ? key->default_value : "";
}

/* The values that a key accepts, such as "number, 1 to 16". */
static void info_model_values(const struct dmamap_model_key *key, char *out, size_t size)
{
	const bool limited = key->least || key->most;
	size_t used = (size_t)snprintf(out, size, "%s", model_key_type(key->type));

	if (key->type == DMAMAP_MODEL_ENUM) {
		for (int i = 0; key->choices[i] && used < size; i++)
			used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : ": ",
						 key->choices[i]);
	} else if (limited && key->type != DMAMAP_MODEL_BOOL && key->type != DMAMAP_MODEL_FILE) {
		snprintf(out + used, size - used, key->most ? ", %llu to %llu%s" : ", from %llu on",
			 (unsigned long long)key->least, (unsigned long long)key->most,
			 key->type == DMAMAP_MODEL_STRING ? " characters" : "");
	}
}

static void info_model_text(const struct dmamap_model_ops *m)
{
	const struct dmamap_model_pci *p = &m->pci;
	char values[160];

	printf("model             %s%s%s\n", m->name, m->help ? ": " : "", m->help ? m->help : "");
	printf("PCI               %04x:%04x, class %06x, revision %u\n", p->vendor, p->device,
	       p->class_code, p->revision);
	printf("interrupts        MSI-X %u, MSI %u, line %u\n", p->msix, p->msi, p->intx);
	for (int i = 0; i < DMAMAP_MODEL_REGIONS; i++)
		if (m->region[i].size)
			printf("region %d          %llu bytes%s%s%s%s\n", i,
			       (unsigned long long)m->region[i].size,
			       m->region[i].flags & DMAMAP_BAR_IO ? ", ports" : "",
			       m->region[i].flags & DMAMAP_BAR_64BIT ? ", 64 bits" : "",
			       m->region[i].flags & DMAMAP_BAR_PREFETCH ? ", prefetchable" : "",
			       m->region[i].flags & DMAMAP_BAR_MAPPABLE ? ", mappable" : "");
	printf("threads=0         %s\n", m->step ? "yes" : "no");
	printf("reset             %s\n", m->reset ? "yes" : "no");
	for (u32 i = 0; i < m->n_keys; i++) {
		const struct dmamap_model_key *k = &m->keys[i];

		info_model_values(k, values, sizeof(values));
		printf("%-17s %s%s%s%s%s\n", k->name, values, k->default_value ? "; default " : "",
		       info_model_default(k), k->help ? "; " : "", k->help ? k->help : "");
	}
}

static struct json_object *info_model_keys(const struct dmamap_model_ops *m)
{
	struct json_object *list = json_object_new_array(), *o;
	char values[160];

	for (u32 i = 0; i < m->n_keys; i++) {
		info_model_values(&m->keys[i], values, sizeof(values));
		o = json_object_new_object();
		json_put_text(o, "name", m->keys[i].name);
		json_put_text(o, "values", values);
		if (m->keys[i].default_value)
			json_put_text(o, "default", m->keys[i].default_value);
		json_put_text(o, "help", m->keys[i].help ? m->keys[i].help : "");
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *info_model_regions(const struct dmamap_model_ops *m)
{
	struct json_object *list = json_object_new_array(), *o;

	for (int i = 0; i < DMAMAP_MODEL_REGIONS; i++) {
		if (!m->region[i].size)
			continue;
		o = json_object_new_object();
		json_put_u64(o, "bar", (u64)i);
		json_put_u64(o, "size", m->region[i].size);
		json_put_u64(o, "flags", m->region[i].flags);
		json_object_array_add(list, o);
	}
	return list;
}

static int info_model_json(const struct dmamap_model_ops *m)
{
	struct json_object *o = json_object_new_object();

	json_put_text(o, "model", m->name);
	json_put_text(o, "help", m->help ? m->help : "");
	json_put_u64(o, "vendor", m->pci.vendor);
	json_put_u64(o, "device", m->pci.device);
	json_put_u64(o, "class", m->pci.class_code);
	json_put_u64(o, "msix", m->pci.msix);
	json_put_u64(o, "msi", m->pci.msi);
	json_put_bool(o, "line", m->pci.intx);
	json_put_bool(o, "steps", m->step != NULL);
	json_put_bool(o, "reset", m->reset != NULL);
	json_object_object_add(o, "regions", info_model_regions(m));
	json_object_object_add(o, "keys", info_model_keys(m));
	return json_finish(o);
}

int info_model(const char *spec, bool json)
{
	const struct dmamap_model_ops *m;
	int status = CLI_DONE;
	char target[512];

	snprintf(target, sizeof(target), "%.*s", (int)strcspn(spec + 4, ","), spec + 4);
	m = model_get(target);
	if (!m)
		return cli_fail("%s", dmamap_strerror());
	if (json)
		status = info_model_json(m);
	else
		info_model_text(m);
	model_put(m);
	return status;
}
