/* Stamps of dicts: a number in memory that is another one after each change of a dict, so that "nothing in it has changed" is one comparison.

   3.11 keeps such a number in every dict, unique among all of them. From 3.12 on it is no longer kept for all changes, but dicts can be watched: the
   first one who asks for a dict's stamp has it watched, and our callback moves the stamp on; also when the dict dies, since another may come to its
   place. Dicts that nobody asks for any more are not watched. */
#include "program.h"

#if PY_VERSION_HEX < 0x030c0000

const uint64_t *stamp_of(PyObject *dict, Stamp **owner)
{
    *owner = NULL;
    return &((PyDictObject *)dict)->ma_version_tag;
}

void stamp_release(Stamp *owner) { }

#else

struct Stamp {
    uint64_t value;
    PyObject *dict; /* borrowed; NULL once it is dead */
    int users;
    Stamp *next; /* in the same place of the table */
};

static Stamp **table; /* chains, by the address of the dict */
static size_t places, stamps;
static uint64_t last_value;
static int watcher = -1, refused; /* refused: other tools have all watchers that the interpreter gives out */

static size_t place_of(PyObject *dict, size_t of) { return ((uintptr_t)dict >> 4) * 0x9E3779B97F4A7C15u >> 20 & (of - 1); }

static Stamp **find(PyObject *dict) /* where the pointer to its stamp stands, or would stand; NULL when there is no table yet */
{
    Stamp **at = places == 0 ? NULL : &table[place_of(dict, places)];
    while (at != NULL && *at != NULL && (*at)->dict != dict) {
        at = &(*at)->next;
    }
    return at;
}

static void take_out(Stamp **at)
{
    Stamp *stamp = *at;
    *at = stamp->next;
    stamp->dict = NULL;
    stamps--;
}

static int on_change(PyDict_WatchEvent event, PyObject *dict, PyObject *key, PyObject *value) /* before it happens */
{
    Stamp **at = find(dict);
    if (at != NULL && *at != NULL) {
        (*at)->value = ++last_value;
        if (event == PyDict_EVENT_DEALLOCATED) {
            take_out(at);
        }
    }
    return 0;
}

static int grow(void)
{
    size_t more = places == 0 ? 64 : places * 2;
    Stamp **wider = PyMem_Calloc(more, sizeof *wider);
    if (wider == NULL) {
        return 0;
    }
    for (size_t i = 0; i < places; i++) {
        for (Stamp *stamp = table[i], *next; stamp != NULL; stamp = next) {
            Stamp **at = &wider[place_of(stamp->dict, more)];
            next = stamp->next;
            stamp->next = *at;
            *at = stamp;
        }
    }
    PyMem_Free(table);
    table = wider;
    places = more;
    return 1;
}

static int have_watcher(void)
{
    if (watcher < 0 && !refused) {
        watcher = PyDict_AddWatcher(on_change);
        refused = watcher < 0;
        PyErr_Clear();
    }
    return watcher >= 0;
}

const uint64_t *stamp_of(PyObject *dict, Stamp **owner)
{
    *owner = NULL;
    if (!have_watcher() || (stamps >= places && !grow())) {
        return NULL;
    }
    Stamp **at = find(dict), *stamp = *at;
    if (stamp == NULL) {
        stamp = PyMem_Calloc(1, sizeof *stamp);
        if (stamp == NULL || PyDict_Watch(watcher, dict) < 0) {
            PyErr_Clear();
            PyMem_Free(stamp);
            return NULL;
        }
        stamp->dict = dict;
        stamp->value = ++last_value;
        *at = stamp;
        stamps++;
    }
    stamp->users++;
    *owner = stamp;
    return &stamp->value;
}

void stamp_release(Stamp *stamp)
{
    if (stamp == NULL || --stamp->users > 0) {
        return;
    }
    if (stamp->dict != NULL) {
        PyObject *pending = PyErr_GetRaisedException();
        if (PyDict_Unwatch(watcher, stamp->dict) < 0) { /* the interpreter is ending */
            PyErr_Clear();
        }
        PyErr_SetRaisedException(pending);
        take_out(find(stamp->dict));
    }
    PyMem_Free(stamp);
}

#endif
