/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registered models. A model is in the library, in the program (dmamap_model_register()), or in
 * a shared object, which DMAMAP_MODELS lists or a spec names by its path. An object of
 * DMAMAP_MODELS stays loaded; one that a spec names is unloaded after the last of its devices was
 * closed.
 *
 * The table of a model is copied: the library's copy has all fields of this version, with 0 for
 * those that an older table lacks. A table of a newer version is accepted if the fields that this
 * version lacks are 0.
 *
 * `registry` guards the list and the numbers of users, and nothing else: no model is called, no
 * object loaded and no memory allocated under it, so that an object's constructor may register
 * models, too.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/math.h"
#include "device/model.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_BYTES_MAX 4096 /* a greater size field is not that of a table */
/* the table when version 1 was introduced; a field that is added later does not change this */
#define TABLE_BYTES_MIN (offsetof(struct dmamap_model_ops, config_written) + sizeof(void *))

struct model_type {
	struct dmamap_model_ops ops;	      /* first: model_put() has a pointer to it */
	const struct dmamap_model_ops *given; /* the table that was registered */
	void *object;			      /* of dlopen(); NULL: not in a shared object */
	bool named;		 /* found by its name; false: only by the path of its object */
	u32 users;		 /* specs and devices; under registry */
	struct model_type *next; /* under registry */
};

static const struct dmamap_model_ops *const library_models[] = {&model_edu, &model_nvme,
								&model_e1000e, &model_dmaengine};
static struct model_type library_types[ARRAY_SIZE(library_models)];

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct model_type *types; /* under registry */
static bool library_listed;	 /* under registry */

/* Held while the objects of DMAMAP_MODELS are loaded, so that each is loaded once. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static bool environment_loaded; /* under loading */

/* Checks a table, which may be of another version, and copies it. */
static int model_copy(struct model_type *t, const struct dmamap_model_ops *ops)
{
	const u8 *bytes = (const u8 *)ops;
	size_t size = ops ? ops->size : 0;

	if (size < TABLE_BYTES_MIN || size > TABLE_BYTES_MAX)
		return error_set(EINVAL,
				 "a model's table has %zu bytes, and this library needs %zu: set "
				 ".size to sizeof(struct dmamap_model_ops), as DMAMAP_MODEL_HEAD "
				 "does",
				 size, TABLE_BYTES_MIN);
	if (ops->version != DMAMAP_MODEL_VERSION)
		return error_set(EINVAL,
				 "a model's table has version %u of <dmamap/model.h>, and this "
				 "library has version %u: compile the model with its header",
				 ops->version, DMAMAP_MODEL_VERSION);
	for (size_t i = sizeof(t->ops); i < size; i++)
		if (bytes[i])
			return error_set(
				EINVAL,
				"a model's table has %zu bytes and uses a field that this library "
				"lacks, which has %zu: use a newer library",
				size, sizeof(t->ops));
	memcpy(&t->ops, ops, min_u64(size, sizeof(t->ops)));
	t->ops.size = sizeof(t->ops);
	t->given = ops;
	return model_check(&t->ops);
}

static struct model_type *model_make(const struct dmamap_model_ops *ops)
{
	struct model_type *t = alloc_zeroed(sizeof(*t));

	if (t && model_copy(t, ops)) {
		alloc_free(t);
		return NULL;
	}
	return t;
}

/* Under registry. The models of the library pass the same checks as all others. */
static void models_list_library(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(library_models) && !library_listed; i++) {
		if (model_copy(&library_types[i], library_models[i]))
			continue; /* tests/unit/test_model.c detects that it is missing */
		library_types[i].named = true;
		library_types[i].next = types;
		types = &library_types[i];
	}
	library_listed = true;
}

static void models_lock(void)
{
	pthread_mutex_lock(&registry);
	models_list_library();
}

static void models_unlock(void)
{
	pthread_mutex_unlock(&registry);
}

/* Under registry. */
static struct model_type *model_by_name(const char *name)
{
	struct model_type *t;

	for (t = types; t && (!t->named || strcmp(t->ops.name, name) != 0); t = t->next)
		;
	return t;
}

/* Adds a model to the list, unless its name is taken. Frees it on failure. */
static int model_add(struct model_type *t)
{
	bool taken;

	models_lock();
	taken = t->named && model_by_name(t->ops.name);
	if (!taken) {
		t->next = types;
		types = t;
	}
	models_unlock();
	if (!taken)
		return 0;
	error_set(EEXIST,
		  "there is a model with the name %s already: unregister it first, or change the "
		  "name of one of them",
		  t->ops.name);
	alloc_free(t);
	return -EEXIST;
}

/* Under registry. */
static void model_unlist(struct model_type *t)
{
	struct model_type **p;

	for (p = &types; *p && *p != t; p = &(*p)->next)
		;
	if (*p)
		*p = t->next;
}

int dmamap_model_register(const struct dmamap_model_ops *ops)
{
	struct model_type *t = model_make(ops);

	if (!t)
		return -errno;
	t->named = true;
	return model_add(t);
}

int dmamap_model_unregister(const struct dmamap_model_ops *ops)
{
	struct model_type *t;
	int err = 0;

	models_lock();
	for (t = types; t && (t->given != ops || t->object); t = t->next)
		;
	if (!t || !ops || (t >= library_types && t < library_types + ARRAY_SIZE(library_types)))
		err = -ENOENT;
	else if (t->users)
		err = -EBUSY;
	else
		model_unlist(t);
	models_unlock();
	if (err == -ENOENT)
		return error_set(ENOENT, "this model was not registered by the program");
	if (err)
		return error_set(EBUSY,
				 "the model %s cannot be unregistered: a device of it is open; "
				 "close it first",
				 t->ops.name);
	alloc_free(t);
	return 0;
}

/*
 * Whether the object uses the library that this function is in. The names of a program that
 * contains the static library are not found unless it exports them (-rdynamic); then an object that
 * is linked with the shared library would use that one.
 */
static bool model_uses_us(void *object)
{
	const void *theirs = dlsym(object, "dmamap_model_interrupt");

	return dlsym(RTLD_DEFAULT, "dmamap_model_interrupt") || !theirs ||
	       theirs == (const void *)(uintptr_t)dmamap_model_interrupt;
}

/* Calls the object's entry. Returns its model, which is in no list yet. */
static struct model_type *model_enter(void *object, const char *path)
{
	const struct dmamap_model_ops *(*entry)(u32), *ops;
	struct model_type *t;

	*(void **)&entry = dlsym(object, "dmamap_model_entry");
	if (!entry)
		return error_null(EINVAL,
				  "the shared object %s is no model: it has no function "
				  "dmamap_model_entry(); define it, and not as static or hidden",
				  path);
	if (!model_uses_us(object))
		return error_null(
			EINVAL,
			"the model %s is linked with the shared library, and the program "
			"contains the static one: link the program with -rdynamic, or the "
			"model without the library",
			path);
	ops = entry(DMAMAP_MODEL_VERSION);
	if (!ops)
		return error_null(EINVAL,
				  "the model %s does not support version %u of <dmamap/model.h>, "
				  "which this library has: compile it with this version",
				  path, DMAMAP_MODEL_VERSION);
	t = model_make(ops);
	if (!t)
		error_prefix("the model %s", path);
	else
		t->object = object;
	return t;
}

static void *model_load_object(const char *path)
{
	void *object;

	if (fail_here(FAIL_MEMORY, NULL))
		return error_null(ENOMEM, "cannot load the model %s: out of memory", path);
	if (access(path, R_OK))
		return error_null(errno, "cannot load the model %s: %s", path, strerror(errno));
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	return object ? object
		      : error_null(ENOEXEC, "cannot load the model %s: %s", path, dlerror());
}

/* The model of an object that is loaded already, with one more user; or NULL. */
static struct model_type *model_by_object(const void *object, bool named)
{
	struct model_type *t;

	models_lock();
	for (t = types; t && (t->object != object || t->named != named); t = t->next)
		;
	if (t)
		t->users++;
	models_unlock();
	return t;
}

/*
 * Loads the model of an object, which then has one more user. Each entry of the list holds one
 * reference to its object.
 */
static struct model_type *model_load(const char *path, bool named)
{
	void *object = model_load_object(path);
	struct model_type *t;

	if (!object)
		return NULL;
	t = model_by_object(object, named);
	if (t) {
		dlclose(object);
		return t;
	}
	t = model_enter(object, path);
	if (t) {
		t->named = named;
		t->users = 1;
		if (!model_add(t))
			return t;
		error_prefix("the model %s", path);
	}
	dlclose(object);
	return NULL;
}

/* An object that was loaded before is found again by its handle. */
static int models_load_each(char *paths)
{
	struct model_type *t;
	char *path, *rest;

	for (path = strtok_r(paths, ":", &rest); path; path = strtok_r(NULL, ":", &rest)) {
		t = model_load(path, true);
		if (!t) {
			error_prefix("DMAMAP_MODELS");
			return -errno;
		}
		model_put(&t->ops);
	}
	return 0;
}

static int models_load_environment(void)
{
	const char *text;
	char *paths;
	int err = 0;

	pthread_mutex_lock(&loading);
	text = environment_loaded ? NULL : secure_getenv("DMAMAP_MODELS");
	if (text && *text) {
		paths = alloc_string(text);
		err = paths ? models_load_each(paths) : -ENOMEM;
		alloc_free(paths);
		environment_loaded = !err;
	}
	pthread_mutex_unlock(&loading);
	return err;
}

void model_list(char *out, size_t size)
{
	size_t used;

	snprintf(out, size, "sim");
	models_lock();
	for (struct model_type *t = types; t; t = t->next) {
		used = strlen(out);
		if (t->named && size - used > sizeof(", sim:") + strlen(t->ops.name))
			snprintf(out + used, size - used, ", sim:%s", t->ops.name);
	}
	models_unlock();
}

const struct dmamap_model_ops *model_get(const char *target)
{
	struct model_type *t;
	char names[256];

	if (strchr(target, '/')) {
		t = model_load(target, false);
		return t ? &t->ops : NULL;
	}
	if (models_load_environment())
		return NULL;
	models_lock();
	t = model_by_name(target);
	if (t)
		t->users++;
	models_unlock();
	if (t)
		return &t->ops;
	model_list(names, sizeof(names));
	return error_null(EINVAL,
			  "device spec: unknown device \"sim:%.64s\"; there are %s. A model in a "
			  "shared object is named by a path with a slash, or listed in "
			  "DMAMAP_MODELS",
			  target, names);
}

void model_hold(const struct dmamap_model_ops *model)
{
	pthread_mutex_lock(&registry);
	((struct model_type *)(uintptr_t)model)->users++;
	pthread_mutex_unlock(&registry);
}

void model_put(const struct dmamap_model_ops *model)
{
	struct model_type *t = (struct model_type *)(uintptr_t)model;
	bool unload;

	if (!t)
		return;
	pthread_mutex_lock(&registry);
	unload = !--t->users && t->object && !t->named;
	if (unload)
		model_unlist(t);
	pthread_mutex_unlock(&registry);
	if (!unload)
		return;
	dlclose(t->object);
	alloc_free(t);
}

/* The models stay in a child; the parent's devices, which use them, do not. */
static void models_fork_child(void)
{
	models_unlock(); /* locked by this thread, before the fork */
	pthread_mutex_init(&loading, NULL);
	for (struct model_type *t = types; t; t = t->next)
		t->users = 0;
}

FORK_HOOK(models_hook, models_lock, models_unlock, models_fork_child);
