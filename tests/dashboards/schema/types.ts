// What a dashboard's JSON must be, by Grafana's published types. The checks append one constant for each thing to check.
import type { Dashboard, AnnotationQuery, GraphFieldConfig, TableFieldOptions } from '@grafana/schema';
import type { Options as BarGaugeOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type { Options as GeomapOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/geomap/panelcfg/x/GeomapPanelCfg_types.gen';
import type { Options as StatOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as StateTimelineField,
  Options as StateTimelineOptions,
} from './node_modules/@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { Options as TableOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as TextOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type { Options as TimeSeriesOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has the values of enumerations, not their names.
type Json<T> = T extends string
  ? `${T}`
  : T extends Array<infer Each>
    ? Array<Json<Each>>
    : T extends object
      ? { [Name in keyof T]: Json<T[Name]> }
      : T;

// What the data source takes beside what every annotation has.
type PrometheusAnnotation = AnnotationQuery & {
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
};
type AnyDashboard = Json<Omit<Dashboard, 'annotations'> & { annotations?: { list?: PrometheusAnnotation[] } }>;
// Grafana fills in what an option leaves out.
interface Options {
  bargauge: Json<Partial<BarGaugeOptions>>;
  geomap: Json<Partial<GeomapOptions>>;
  stat: Json<Partial<StatOptions>>;
  'state-timeline': Json<Partial<StateTimelineOptions>>;
  table: Json<Partial<TableOptions>>;
  text: Json<Partial<TextOptions>>;
  timeseries: Json<Partial<TimeSeriesOptions>>;
}
interface Custom {
  'state-timeline': Json<StateTimelineField>;
  table: Json<Partial<TableFieldOptions>>;
  timeseries: Json<GraphFieldConfig>;
}
